import { describe, expect, test } from "vitest";
import type { BackfillRow } from "../db/backfill.ts";
import { type Feed, type FeedRecord, FeedSettingError } from "../feeds/feed.ts";
import { fetchPage, judged } from "./backfill-pages.ts";

const row = (kind: string, cursor: number | null, end = 1_000): BackfillRow =>
  ({
    ...{ source: "paper", subject: "BTC", kind, granularity: "1s", start_ts: new Date(0), end_ts: new Date(end) },
    cursor_ts: cursor === null ? null : new Date(cursor),
  }) as BackfillRow;
const record = (tsEvent: number, eventId = "", subject = "BTC"): FeedRecord => ({
  ...{ source: "PAPER", subject, kind: eventId ? "trade" : "candle", granularity: "1s" },
  ...{ tsEvent, eventId, values: { close: 1 }, meta: {} },
});
/** Gives the oldest records of what is asked for. */
const feedOf = (records: FeedRecord[]): Feed => ({
  source: "paper",
  listSubjects: async () => [],
  listen: async () => undefined,
  fetch: async ({ startMs, endMs, limit }) =>
    records.filter((r) => r.tsEvent >= startMs && r.tsEvent < endMs).slice(0, limit),
});

/** All pages of a job, as often as it takes. */
async function all(feed: Feed, kind: string, pageSize: number): Promise<{ keys: string[]; pages: number }> {
  const keys: string[] = [];
  for (let cursor: number | null = null, pages = 1; ; pages++) {
    const { records, toCursorMs } = await fetchPage(feed, row(kind, cursor), pageSize);
    keys.push(...records.map((r) => `${r.tsEvent}/${r.eventId}`));
    if (toCursorMs >= 1_000 || pages > 500) return { keys, pages };
    cursor = toCursorMs;
  }
}

describe("pages", () => {
  test("of candles follow each other without a doubt", async () => {
    const candles = Array.from({ length: 25 }, (_, i) => record(i * 40));
    const { keys, pages } = await all(feedOf(candles), "candle", 10);
    expect(keys).toEqual(candles.map((c) => `${c.tsEvent}/`));
    expect(pages).toBe(3);
  });

  test("of trades lose none that share a millisecond, not even more of them than a page holds", async () => {
    const trades = [3, 1, 30, 2, 1].flatMap((n, i) =>
      Array.from({ length: n }, (_, k) => record(100 * i, `${i}-${String(k).padStart(2, "0")}`)),
    );
    const { keys } = await all(feedOf(trades), "trade", 4);
    expect([...new Set(keys)].sort()).toEqual(trades.map((t) => `${t.tsEvent}/${t.eventId}`).sort());
  });

  test("are stored under the job's own dimensions; the empty range is over at once", async () => {
    const { records } = await fetchPage(feedOf([record(5)]), row("candle", null), 10);
    expect(records[0]).toMatchObject({ source: "paper", subject: "BTC", granularity: "1s" });
    expect(await fetchPage(feedOf([]), row("candle", 500), 10)).toEqual({ records: [], toCursorMs: 1_000 });
  });

  test.each([
    ["another subject", record(5, "", "ETH")],
    ["another kind", record(5, "x")],
    ["an earlier time", record(-5)],
    ["a later time", record(1_000)],
    ["no time at all", record(Number.NaN)],
  ])("an answer about %s is refused", async (_name, stranger) => {
    const feed = { ...feedOf([]), fetch: async () => [record(1), stranger] };
    await expect(fetchPage(feed, row("candle", null), 10)).rejects.toThrow("which was not asked for");
  });

  test("an instant that cannot be paged through is an error, not a loop", async () => {
    const endless = {
      ...feedOf([]),
      fetch: async ({ limit }: { limit: number }) => Array.from({ length: limit }, (_, i) => record(7, `t${i}`)),
    };
    await expect(fetchPage(endless, row("trade", 7), 1_000)).rejects.toThrow(
      "more than 50000 records share the instant 7",
    );
  });
});

describe("who answers for an error", () => {
  test.each([
    [
      new FeedSettingError("the replay has SP500, not BTC"),
      1,
      { nonRetryable: true, message: "the replay has SP500, not BTC" },
    ],
    [new Error("503"), 3, { nonRetryable: false, message: "paper: 503" }],
    [new Error("503"), 10, { nonRetryable: true, message: "paper: 503 (tried 10 times)" }],
  ])("%s, try %i", (error, attempt, expected) => {
    expect(judged(error, "paper", attempt)).toMatchObject(expected);
  });
});
