import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { type Database, isMigrated } from "../db/database.ts";
import { feedWatermarks } from "../db/feed-reports.ts";
import type { Dimension } from "../db/feeds.ts";
import { granularityMs } from "../domain/granularity.ts";

/** Null: all is well; else why not, in a sentence. A throw counts as its message. */
export type Check = () => Promise<string | null>;
export type Checks = Readonly<Record<string, Check>>;
export interface Missing {
  what: string;
  why: string;
}

const CHECK_TIMEOUT_MS = 2_000;

/** Runs all checks at once and names those that fail or do not answer in time. */
export async function missingOf(checks: Checks, timeoutMs = CHECK_TIMEOUT_MS): Promise<Missing[]> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([what, check]) => ({ what, why: await answerOf(check, timeoutMs) })),
  );
  return results.filter((result): result is Missing => result.why !== null);
}

async function answerOf(check: Check, timeoutMs: number): Promise<string | null> {
  const over = new AbortController();
  const late = delay(timeoutMs, `no answer within ${timeoutMs} ms`, { signal: over.signal, ref: false });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return messageOf(error);
  } finally {
    late.catch(() => undefined); // aborted below
    over.abort();
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}

export function databaseChecks(db: Database): Checks {
  let migrated = false; // a schema never goes back while the node runs
  return {
    database: async () => {
      await sql`select 1`.execute(db);
      return null;
    },
    migrations: async () => {
      migrated ||= await isMigrated(db);
      return migrated
        ? null
        : "the schema is older than this version: start a role that migrates, or run the migrations";
    },
  };
}

export type FeedState = "live" | "late" | "stale" | "empty";

/** Records may come this late, beyond twice their own length, before the feed is called stale. */
const STALE_GRACE_MS = 10_000;
const LATE_GRACE_MS = 2_000;

/** By the age of the newest record's end. */
export function feedState(ageMs: number | null, lengthMs: number): FeedState {
  if (ageMs === null) return "empty";
  if (ageMs > 2 * lengthMs + STALE_GRACE_MS) return "stale";
  return ageMs > lengthMs + LATE_GRACE_MS ? "late" : "live";
}

export interface FollowedFeed extends Omit<Dimension, "subject"> {
  subjects: readonly string[];
}
export interface FeedAge {
  subject: string;
  lastEvent: Date | null;
  receivedAt: Date | null;
  /** since the newest record was final, ms */
  ageMs: number | null;
  state: FeedState;
}

/** How old each followed stream is. */
export async function feedAges(db: Database, feed: FollowedFeed, nowMs: number): Promise<FeedAge[]> {
  const length = granularityMs(feed.granularity);
  const finalAfter = feed.kind === "candle" ? length : 0;
  const marks = await feedWatermarks(db);
  return feed.subjects.map((subject) => {
    const mark = marks.find(
      (m) =>
        m.subject === subject && m.source === feed.source && m.kind === feed.kind && m.granularity === feed.granularity,
    );
    const ageMs = mark ? Math.max(0, nowMs - mark.last_event_ts.getTime() - finalAfter) : null;
    return {
      subject,
      lastEvent: mark?.last_event_ts ?? null,
      receivedAt: mark?.updated_at ?? null,
      ageMs,
      state: feedState(ageMs, length),
    };
  });
}

export const feedCheck =
  (db: Database, feed: FollowedFeed, now: () => number = Date.now): Check =>
  async () => {
    const ages = await feedAges(db, feed, now());
    const wrong = ages.filter((age) => age.state === "stale" || age.state === "empty");
    if (wrong.length === 0) return null;
    return wrong
      .map(({ subject, ageMs }) =>
        ageMs === null
          ? `${feed.source} ${subject}: no record is stored yet`
          : `${feed.source} ${subject}: the newest record of ${feed.granularity} ended ${Math.round(ageMs / 1_000)} s ago`,
      )
      .join("; ");
  };
