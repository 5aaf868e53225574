import { pino } from "pino";
import { inject } from "vitest";
import { createIntake, type Intake, type IntakeDeps } from "../../../activities/feed-intake.ts";
import { createQualityLog, type QualityLog } from "../../../activities/feed-quality.ts";
import { createMarket, type Market } from "../../../activities/market.ts";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import { qualityCounts } from "../../../db/feed-quality.ts";
import type { Dimension } from "../../../db/feeds.ts";
import type { FeedStream } from "../../../domain/feed-streams.ts";
import type { Feed, FeedRecord } from "../../../feeds/feed.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";

export const log = pino({ level: "silent" });
export const STEP = 1_000;
/** Begin of the series: an hour ago by the tests' clock, which stands at NOW. */
export const T0 = Date.UTC(2026, 10, 20, 23, 0, 0);
export const NOW = T0 + 3_600_000;
export const at = (i: number): number => T0 + i * STEP;

export async function freshDatabase(): Promise<{ db: Database; url: string } & AsyncDisposable> {
  const { url, drop } = await createTestDatabase(
    inject("postgresUrl"),
    async (template) => {
      const db = openDatabase({ url: template, application: "template" });
      await migrate(db);
      await db.destroy();
    },
    "feeds",
  );
  const db = openDatabase({ url, application: "feeds test", onError: () => undefined });
  return {
    db,
    url,
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await drop();
    },
  };
}

export const streamOf = (subject: string, change: Partial<FeedStream> = {}): FeedStream => ({
  ...{ source: "double", kind: "candle", granularity: "1s", subjects: [subject], options: {} },
  ...change,
});
export const dimensionOf = ({ source, kind, granularity, subjects }: FeedStream): Dimension => ({
  ...{ source, kind, granularity, subject: subjects[0]! },
});

/** The i-th candle: a pure function of its place. */
export const candle = (stream: FeedStream, i: number, change: Partial<FeedRecord> = {}): FeedRecord => {
  const close = 100 + Math.round(1_000 * Math.sin(i)) / 100;
  return {
    ...dimensionOf(stream),
    ...{ tsEvent: at(i), eventId: "", meta: {} },
    values: { volume: i % 7, open: close, low: close - 1, high: close + 1, close },
    ...change,
  };
};
export const candles = (stream: FeedStream, from: number, until: number): FeedRecord[] =>
  Array.from({ length: until - from }, (_, i) => candle(stream, from + i));

/** A source of which the test says what its history holds, and whether it answers at all. */
export interface DoubleFeed extends Feed {
  history: FeedRecord[];
  down: boolean;
  /** what was asked for, in order */
  asked: { startMs: number; endMs: number; limit: number }[];
}
export function doubleFeed(history: FeedRecord[] = []): DoubleFeed {
  const feed: DoubleFeed = {
    ...{ source: "double", history, down: false, asked: [] },
    listSubjects: async () => [],
    listen: async (_subscription, _sink, signal) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    fetch: async ({ startMs, endMs, limit, subjects }) => {
      feed.asked.push({ startMs, endMs, limit });
      if (feed.down) throw new Error("the source does not answer");
      return feed.history
        .filter((r) => subjects.includes(r.subject) && r.tsEvent >= startMs && r.tsEvent < endMs)
        .sort((a, b) => a.tsEvent - b.tsEvent)
        .slice(0, limit);
    },
  };
  return feed;
}

export interface Ingestion {
  intake: Intake;
  quality: QualityLog;
  stored: FeedRecord[];
  /** counts by event, written first */
  counts(): Promise<Record<string, number>>;
}

/** One process that takes a stream in; `begin` is left to the test. */
export function ingestion(db: Database, stream: FeedStream, change: Partial<IntakeDeps> = {}): Ingestion {
  const now = change.now ?? (() => NOW);
  const quality = createQualityLog({ db, stream, log, now });
  const stored: FeedRecord[] = [];
  const intake = createIntake({
    ...{ db, stream, quality, log, now, feed: doubleFeed(), backfillMs: 0, keepMs: 90 * 86_400_000 },
    onStored: (records) => stored.push(...records),
    ...change,
  });
  return {
    ...{ intake, quality, stored },
    counts: async () => {
      await quality.flush();
      const all = await qualityCounts(db, 0);
      const own = all.filter((c) => stream.subjects.includes(c.subject) && c.source === stream.source);
      return Object.fromEntries(own.map((c) => [c.event, c.count]));
    },
  };
}

export const marketOf = (db: Database, stream: FeedStream, windowSize = 20): Market =>
  createMarket({ db, ...stream, windowSize });
