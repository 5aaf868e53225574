import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { storeFeedRecords, watermark } from "../db/feeds.ts";
import { granularityMs } from "../domain/granularity.ts";
import type { Feed, FeedRecord, Subscription } from "../feeds/feed.ts";

export interface IngestionDeps {
  db: Database;
  feed: Feed;
  subscription: Subscription;
  /** how far back history is fetched where none was ever stored, ms */
  backfillMs: number;
  log: Logger;
  /** called after the commit with the records that were new */
  onStored: (records: FeedRecord[]) => void;
  now?: () => number;
}

const PAGE = 1_000;
const RETRY_MS = 1_000;

/** Fills the gap since the watermark, then stores what the feed delivers, until `signal` aborts. Storage that is away is waited for. */
export async function ingest(deps: IngestionDeps, signal: AbortSignal): Promise<void> {
  const reached = new Map<string, number>();
  for (const subject of deps.subscription.subjects)
    await untilDone(deps, signal, () => fillGap(deps, subject, (deps.now ?? Date.now)()));
  await untilDone(deps, signal, () =>
    deps.feed.listen(
      deps.subscription,
      (records) => untilDone(deps, signal, () => take(deps, records, reached)),
      signal,
    ),
  );
}

async function untilDone(deps: IngestionDeps, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      deps.log.error({ error: String(error) }, "feed ingestion was interrupted; going on in a second");
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** A batch that begins later than the record after the last one shows a gap: that is fetched first, so that windows have no hole. */
async function take(deps: IngestionDeps, records: FeedRecord[], reached: Map<string, number>): Promise<void> {
  for (const [subject, own] of Map.groupBy(records, (r) => r.subject)) {
    const follows = own[0]!.tsEvent <= (reached.get(subject) ?? Number.NEGATIVE_INFINITY) + stepOf(deps.subscription);
    if (!follows) await fillGap(deps, subject, own[0]!.tsEvent);
    reached.set(subject, own.at(-1)!.tsEvent);
  }
  await store(deps, records);
}

const stepOf = ({ kind, granularity }: Subscription): number => (kind === "candle" ? granularityMs(granularity) : 0);

async function store(deps: IngestionDeps, records: FeedRecord[]): Promise<void> {
  const fresh = await storeFeedRecords(deps.db, records);
  if (fresh.length > 0) deps.onStored(fresh);
}

/** Page by page from the watermark (or `backfillMs` back) up to, not including, `untilMs`. */
async function fillGap(deps: IngestionDeps, subject: string, untilMs: number): Promise<void> {
  const { subscription, feed } = deps;
  const step = stepOf(subscription);
  const last = await watermark(deps.db, {
    source: feed.source,
    subject,
    kind: subscription.kind,
    granularity: subscription.granularity,
  });
  const nowMs = (deps.now ?? Date.now)();
  let startMs = last === null ? untilMs - deps.backfillMs : last + step;
  while (startMs < untilMs) {
    const page = await feed.fetch({ ...subscription, subjects: [subject], startMs, endMs: untilMs, limit: PAGE });
    const final = page.filter((r) => r.tsEvent + step <= nowMs);
    await store(deps, final);
    if (page.length < PAGE || final.length < page.length) return;
    const lastMs = page.at(-1)!.tsEvent;
    startMs = step === 0 && lastMs > startMs ? lastMs : lastMs + 1; // trades that share a millisecond may stand on both sides of a page
  }
}
