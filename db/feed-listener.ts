import { Client } from "pg";
import { z } from "zod";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Database } from "./database.ts";
import { type Dimension, FEED_CHANNEL, newestRecords } from "./feeds.ts";

const announced = z.object({
  ...{ source: z.string(), subject: z.string(), kind: z.string(), granularity: z.string() },
  /** the first of the new records begins then, epoch ms; absent: none was new */
  since_ms: z.number().optional(),
});
type Announced = z.output<typeof announced>;
const RETRY_MS = 1_000;
/** Records taken up at once after an interruption; what is older only matters to windows, and those are this long. */
const CATCH_UP = 2_000;

export interface FeedListenerOptions {
  db: Database;
  url: string;
  /** streams this node follows; others on the same database are ignored */
  follows: (dimension: Dimension) => boolean;
  onStored: (records: FeedRecord[]) => void;
  onError: (error: unknown) => void;
}

/** Hands on the records that another process stores, late ones too, in order; some more than once. Reconnects by itself until `signal` aborts. */
export async function listenToFeed(options: FeedListenerOptions, signal: AbortSignal): Promise<void> {
  const seen = new Map<string, number>();
  let turn: Promise<void> = Promise.resolve();
  const take = (payload: string | undefined): void => {
    const dimension = announced.safeParse(JSON.parse(payload ?? "null"));
    if (!dimension.success || !options.follows(dimension.data)) return;
    turn = turn.then(() => handOn(options, dimension.data, seen)).catch(options.onError);
  };
  while (!signal.aborted) {
    const client = new Client({ connectionString: options.url, application_name: "almanac feed listener" });
    const ended = new Promise<void>((resolve) => client.once("end", resolve));
    client.on("error", options.onError);
    client.on("notification", ({ payload }) => take(payload));
    const stop = (): void => void client.end().catch(options.onError);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await client.connect();
      await client.query(`listen ${FEED_CHANNEL}`);
      await ended;
    } catch (error) {
      options.onError(error);
    }
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function handOn(
  { db, onStored }: FeedListenerOptions,
  { since_ms: firstMs, ...dimension }: Announced,
  seen: Map<string, number>,
): Promise<void> {
  const key = JSON.stringify(dimension);
  const last = seen.get(key);
  const since = last === undefined ? undefined : Math.min(last, firstMs ?? last); // what fills a hole lies before the last one
  const records = await newestRecords(db, dimension, {
    beforeMs: FAR_FUTURE_MS,
    limit: since === undefined ? 1 : CATCH_UP,
    ...(since === undefined ? {} : { sinceMs: since }),
  });
  if (records.length === 0) return;
  seen.set(key, Math.max(last ?? 0, records.at(-1)!.tsEvent));
  onStored(records); // those since a late one again: windows take a record once
}

const FAR_FUTURE_MS = Date.UTC(9999, 0, 1);
