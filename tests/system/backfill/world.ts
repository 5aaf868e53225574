import { pino } from "pino";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import type { Stream } from "../../../domain/day-file.ts";
import type { Feed, FeedRecord } from "../../../feeds/feed.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";

export const quiet = pino({ level: process.env.TEST_LOG ?? "silent" });
export const MINUTE = 60_000;
export const DAY = 86_400_000;
/** Long before anything else happens here. */
export const T0 = Date.UTC(2026, 0, 15);

export async function freshDatabase(
  postgresUrl: string,
): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  const database = await createTestDatabase(postgresUrl, async (url) => {
    const db = openDatabase({ url, application: "template" });
    await migrate(db);
    await db.destroy();
  });
  const db = openDatabase({ url: database.url, application: "test", onError: () => undefined });
  return {
    db,
    url: database.url,
    close: async () => {
      await db.destroy();
      await database.drop();
    },
  };
}

export const candles: Stream = { source: "paper", subject: "BTC", kind: "candle", granularity: "1m" };

/** A source with a candle each minute of all time, but none in the hour `hole` of each day (UTC). */
export function paperFeed({
  hole = 5,
  failing = 0,
}: {
  hole?: number;
  failing?: number;
} = {}): Feed & { asked: number } {
  const feed = {
    source: "paper",
    asked: 0,
    listSubjects: async () => ["BTC"],
    listen: async () => undefined,
    fetch: async ({ subjects, kind, granularity, startMs, endMs, limit }: Parameters<Feed["fetch"]>[0]) => {
      if (feed.asked++ < failing) throw new Error("503 Service Unavailable");
      const records: FeedRecord[] = [];
      for (let ts = Math.ceil(startMs / MINUTE) * MINUTE; ts < endMs && records.length < limit; ts += MINUTE)
        if (new Date(ts).getUTCHours() !== hole)
          records.push({
            ...{ source: "paper", subject: subjects[0]!, kind, granularity, tsEvent: ts, eventId: "" },
            ...{ values: { open: 1, high: 2, low: 1, close: ts / MINUTE, volume: 3 }, meta: {} },
          });
      return records;
    },
  };
  return feed;
}
