import { setTimeout as delay } from "node:timers/promises";
import { ApplicationFailure } from "@temporalio/common";
import type { BackfillRow } from "../db/backfill.ts";
import { storeBackfillPage } from "../db/backfill-records.ts";
import type { Database } from "../db/database.ts";
import { nextCursor } from "../domain/backfill.ts";
import { granularityMs } from "../domain/granularity.ts";
import { type Feed, type FeedRecord, FeedSettingError } from "../feeds/feed.ts";

export interface PageDeps {
  db: Database;
  /** records asked for at once */
  pageSize: number;
  /** rest between two pages, ms: what keeps a job from taking the source's quota and the database from the live feed */
  pauseMs: number;
}

/** Consecutive failures of source or folder after which a job is failed and waits for a person. */
const TRIES = 10;
/** So many records in one instant, and it cannot be paged through. */
const MOST_AT_ONCE = 50_000;

/**
 * Errors that a job answers for: refused settings end it at once, a source or a disk that goes on failing ends it after TRIES. Anything else
 * (the database) is thrown as it is and tried for ever.
 */
export function judged(error: unknown, what: string, attempt: number): unknown {
  if (error instanceof FeedSettingError || error instanceof TypeError)
    return ApplicationFailure.nonRetryable(error.message, "BackfillRefused");
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  return attempt >= TRIES
    ? ApplicationFailure.nonRetryable(`${message} (tried ${attempt} times)`, "BackfillFailed")
    : ApplicationFailure.retryable(message, "BackfillFailed");
}

/** Where candles of a stream end after they begin, ms; 0 for what happens in an instant. */
const stepOf = ({ kind, granularity }: Pick<BackfillRow, "kind" | "granularity">): number =>
  kind === "candle" ? granularityMs(granularity) : 0;

interface Fetched {
  records: FeedRecord[];
  toCursorMs: number;
}

/** One page from the job's cursor. @throws Error where the answer is not what was asked for */
export async function fetchPage(feed: Feed, row: BackfillRow, pageSize: number): Promise<Fetched> {
  const cursorMs = (row.cursor_ts ?? row.start_ts).getTime();
  const endMs = row.end_ts.getTime();
  const { subject, kind, granularity } = row;
  for (let limit = pageSize; limit <= MOST_AT_ONCE; limit *= 2) {
    const asked = { subjects: [subject], kind, granularity, startMs: cursorMs, endMs, limit };
    const page = await feed.fetch(asked);
    const stranger = page.find(
      (r) => r.subject !== subject || r.kind !== kind || !(r.tsEvent >= cursorMs && r.tsEvent < endMs),
    );
    if (stranger)
      throw new Error(
        `it answered with ${stranger.subject} ${stranger.kind} at ${stranger.tsEvent}, which was not asked for`,
      );
    const records = page.map((r) => ({ ...r, source: row.source, granularity }));
    if (page.length < limit) return { records, toCursorMs: endMs };
    const lastMs = page.reduce((max, r) => Math.max(max, r.tsEvent), 0);
    const next = nextCursor({ cursorMs, lastMs, sharesInstants: stepOf(row) === 0 });
    if (next !== null) return { records, toCursorMs: Math.min(next, endMs) };
  }
  throw new Error(`more than ${MOST_AT_ONCE} records share the instant ${cursorMs}`);
}

/** Page after page until the end, `deadlineMs`, a pause from outside or `signal`; true: at least one was stored. */
export async function fetchPages(
  deps: PageDeps,
  feed: Feed,
  look: () => Promise<BackfillRow>,
  stop: { deadlineMs: number; signal: AbortSignal },
  afterPage: (row: BackfillRow) => Promise<void>,
): Promise<{ row: BackfillRow; failed: unknown }> {
  let row = await look();
  let failed: unknown = null;
  while (row.status === "running" && !isFetched(row) && Date.now() < stop.deadlineMs && !stop.signal.aborted) {
    const page = await fetchPage(feed, row, deps.pageSize).catch((error: unknown) => {
      failed = error;
      return null;
    });
    if (page === null) return { row, failed };
    const fromCursorMs = row.cursor_ts?.getTime() ?? null;
    await storeBackfillPage(deps.db, { id: row.id, fromCursorMs, ...page });
    row = await look();
    await afterPage(row);
    await delay(deps.pauseMs, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  return { row, failed };
}

export const isFetched = (row: Pick<BackfillRow, "cursor_ts" | "end_ts">): boolean =>
  row.cursor_ts !== null && row.cursor_ts >= row.end_ts;
