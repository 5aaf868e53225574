import { describe, expect, test } from "vitest";
import { openBinance } from "../../feeds/binance.ts";
import { type FeedEvent, type FeedRecord, FeedSettingError, type Subscription } from "../../feeds/feed.ts";
import type { FeedOptions } from "../../feeds/options.ts";
import { startBinanceServer } from "./binance-server.ts";
import { CHAOS_SECONDS, misbehave } from "./chaos.ts";
import { hasRecordings } from "./content.ts";
import type { StreamFault } from "./faults.ts";
import { type Listening, missing, underTest } from "./listening.ts";

const candles = { subjects: ["XRPETH"], kind: "candle", granularity: "1s" };
const trades = { subjects: ["XRPETH"], kind: "trade", granularity: "1s" };

const double = underTest(startBinanceServer, openBinance);
const listen = (subscription: Subscription = candles, more: FeedOptions = {}): Listening =>
  double.listen(subscription, more);
const indices = (records: readonly FeedRecord[]): number[] => records.map(double.server.indexOf);

/** Between its first and its last record the feed has exactly the truth, in any order. */
function expectTruth(records: readonly FeedRecord[]): void {
  const sorted = records.toSorted((a, b) => double.server.indexOf(a) - double.server.indexOf(b));
  const [first, last] = [double.server.indexOf(sorted[0]!), double.server.indexOf(sorted.at(-1)!)];
  expect(indices(sorted)).toEqual(Array.from({ length: last - first + 1 }, (_, n) => first + n));
  for (const record of sorted)
    expect(record).toEqual(double.server.truth(record.kind, record.subject, double.server.indexOf(record)));
}

describe("candles", () => {
  test("closed ones only, each once, in order, with the source's numbers", async () => {
    const feed = listen();
    await feed.until("30 candles", () => feed.records.length >= 30);
    expectTruth(feed.records);
    expect(indices(feed.records)).toEqual(indices(feed.records).toSorted((a, b) => a - b));
    expect(feed.events.filter(({ kind }) => !["connected", "reconnect"].includes(kind))).toEqual([]);
  });

  test("an open one is told and marked, and given out when it is closed", async () => {
    const feed = listen();
    await feed.until("an open candle closes", () => {
      const seen = new Set(feed.open.map((candle) => candle.tsEvent));
      return feed.records.some((record) => seen.has(record.tsEvent));
    });
    expect(feed.open.every((candle) => candle.meta.open === true && candle.kind === "candle")).toBe(true);
    expect(feed.records.some((record) => "open" in record.meta)).toBe(false);
  });

  const BROKEN: [StreamFault, FeedEvent["kind"]][] = [
    ["disconnect", "reconnect"],
    ["half-open", "reconnect"],
    ["malformed", "malformed"],
    ["half-malformed", "malformed"],
    ["lost", "gap"],
    ["duplicate", "duplicate"],
    ["late", "gap"],
    ["correction", "correction"],
  ];
  test.each(BROKEN)("%s: nothing is lost or doubled, and %s is told", async (fault, told) => {
    const feed = listen();
    await feed.until("a beginning", () => feed.records.length >= 3);
    double.server.faults.stream.push(fault);
    await feed.until("the event", () => feed.of(told).length > 0);
    const reached = double.server.published();
    await feed.until("what came after", () => feed.records.some((r) => double.server.indexOf(r) >= reached + 3));
    expectTruth(feed.records);
    expect(feed.of(told)[0]!.detail).not.toBe("");
  });

  test("several subjects are one connection, and each is whole", async () => {
    const feed = listen({ ...candles, subjects: ["XRPETH", "BTCUSDT"] });
    await feed.until("a beginning", () => feed.records.length >= 6);
    double.server.faults.stream.push("lost", "duplicate", "disconnect");
    await feed.until("a new connection", () => feed.of("connected").length > 1);
    const reached = double.server.published();
    const own = (subject: string) => feed.records.filter((record) => record.subject === subject);
    for (const subject of ["XRPETH", "BTCUSDT"]) {
      await feed.until("what came after", () => own(subject).some((r) => double.server.indexOf(r) >= reached + 3));
      expectTruth(own(subject));
    }
    expect(double.server.connections()).toBe(1);
  });

  test("a correction is told with its values; the first record stays", async () => {
    const feed = listen();
    await feed.until("a beginning", () => feed.records.length >= 3);
    double.server.faults.stream.push("correction");
    await feed.until("a correction", () => feed.of("correction").length > 0);
    const corrected = feed.of("correction")[0]!.record!;
    const first = feed.records.find(({ tsEvent }) => tsEvent === corrected.tsEvent)!;
    expect(corrected.values.close).toBe(first.values.open);
    expect(first).toEqual(double.server.truth("candle", "XRPETH", double.server.indexOf(first)));
  });

  test("a refused connection comes again when it was asked to", async () => {
    double.server.faults.stream.push({ refuse: 429, retryAfter: "0.3" });
    const feed = listen();
    await feed.until("a candle", () => feed.records.length > 0);
    const [limited] = feed.of("rate-limited");
    expect(limited!.ms).toBe(300);
    expect(feed.of("connected")[0]!.atMs - limited!.atMs).toBeGreaterThanOrEqual(290);
  });

  test("history that cannot be had does not hold up what is live; it comes later", async () => {
    const feed = listen(candles, { gap_seconds: "0.1" });
    await feed.until("a beginning", () => feed.records.length >= 3);
    for (let i = 0; i < 12; i++) double.server.faults.http.push({ kind: "status", status: 500 });
    double.server.faults.stream.push("lost");
    await feed.until("live goes on", () => indices(feed.records).some((index, i, all) => index > all[i - 1]! + 1));
    await feed.until("the hole is filled", () => {
      const all = indices(feed.records).toSorted((a, b) => a - b);
      return feed.of("gap").length > 0 && all.every((index, i) => i === 0 || index === all[i - 1]! + 1);
    });
    expectTruth(feed.records);
  });

  test("storage that is slow slows the feed, which loses nothing", async () => {
    const open = double.listen(candles, {}, () => new Promise((resolve) => setTimeout(resolve, 120)));
    await open.until("40 candles", () => open.records.length >= 40);
    expectTruth(open.records);
  });
});

describe("trades", () => {
  test.each(["disconnect", "lost", "half-open", "late"] as const)("%s: ids show what is missing", async (fault) => {
    const feed = listen(trades);
    await feed.until("a beginning", () => feed.records.length >= 5);
    double.server.faults.stream.push(fault);
    await feed.until("a gap", () => feed.of("gap").length > 0);
    const reached = double.server.published();
    await feed.until("what came after", () => feed.records.some((r) => double.server.indexOf(r) >= reached + 3));
    expectTruth(feed.records);
  });

  test.skipIf(!hasRecordings)(
    "recorded trades pass through unchanged (skipped where the recordings are absent)",
    async () => {
      const feed = listen(trades);
      await feed.until("20 trades", () => feed.records.length >= 20);
      expect(feed.records.every(({ values }) => values.price! > 0.001 && values.price! < 0.002)).toBe(true);
    },
  );
});

describe("order book and funding", () => {
  test("best prices, spread, depth and imbalance of the levels asked for, one record a step", async () => {
    const feed = listen({ ...candles, kind: "depth", granularity: "100ms" }, { depth_limit: "3" });
    await feed.until("4 books", () => feed.records.length >= 4);
    const [book] = feed.records;
    expect(book!.values).toEqual({
      ...{ best_bid: 99.5, best_ask: 100.5, spread: 1, mid_price: 100, price: 100 },
      ...{ bid_depth: 6, ask_depth: 9, imbalance: -0.2 },
    });
    expect(book!.meta.bids_top).toEqual([
      [99.5, 1],
      [99, 2],
      [98.5, 3],
    ]);
    expect(book!.meta.asks_top).toHaveLength(3);
    const steps = feed.records.map(({ tsEvent }) => Math.floor(tsEvent / 100));
    expect(new Set(steps).size).toBe(steps.length);
    expect(Math.abs(Date.now() - feed.records.at(-1)!.tsEvent)).toBeLessThan(1_000);
    expect(await double.feed().fetch({ ...candles, kind: "depth", startMs: 0, endMs: Date.now(), limit: 9 })).toEqual(
      [],
    );
  });

  test("funding, marked and index price, the first of each step; a lost connection is a gap without history", async () => {
    const feed = listen({ ...candles, kind: "funding", granularity: "3s" });
    await feed.until("3 of them", () => feed.records.length >= 3);
    const [first] = feed.records;
    const values = { funding_rate: 0.00038167, mark_price: 11794.15, price: 11794.15, index_price: 11784.65 };
    expect(first!.values).toMatchObject({ ...values, next_funding_ts: first!.tsEvent + 9_000 });
    expect(first!.values.basis).toBeCloseTo(9.5, 9);
    expect(feed.records.slice(1).every(({ tsEvent }) => tsEvent % 3_000 === 0)).toBe(true);
    double.server.faults.stream.push("half-malformed", "disconnect");
    await feed.until("a gap", () => feed.of("gap").length > 0);
    expect(feed.of("gap")[0]).toMatchObject({ subject: "XRPETH", sinceMs: expect.any(Number) });
    expect(feed.of("malformed")[0]!.detail).toMatch(/markPrice: p: a price above zero/);
  });
});

describe("history", () => {
  test("page by page, half-open, never an open candle", async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const all = await double.feed().fetch({ ...candles, startMs: 0, endMs: Date.now(), limit: 10 });
    expect(indices(all)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    const part = { startMs: all[2]!.tsEvent, endMs: all[5]!.tsEvent, limit: 1_000 };
    expect(indices(await double.feed().fetch({ ...candles, ...part }))).toEqual([2, 3, 4]);
    const some = await double.feed().fetch({ ...trades, ...part });
    expect(some.every(({ tsEvent }) => tsEvent >= part.startMs && tsEvent < part.endMs)).toBe(true);
    expectTruth(some);
  });

  test.each([
    ["500", { kind: "status", status: 500 }],
    ["429", { kind: "status", status: 429, retryAfter: "0.05" }],
    ["418", { kind: "status", status: 418, retryAfter: "0.05" }],
    ["a page of HTML", { kind: "html" }],
    ["another shape", { kind: "wrong-shape" }],
    ["an answer that is cut off", { kind: "cut" }],
    ["an answer that never comes", { kind: "slow", ms: 700 }],
    ["an empty page", { kind: "empty" }],
  ] as const)("%s is asked for again", async (_name, fault) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const first = double.server.truth("candle", "XRPETH", 0).tsEvent;
    double.server.faults.http.push({ ...fault });
    const found = await double.feed().fetch({ ...candles, startMs: first, endMs: first + 5_000, limit: 1_000 });
    expect(indices(found)).toEqual([0, 1, 2, 3, 4]);
  });

  test("a source that never answers properly is named, with what it said last", async () => {
    for (let i = 0; i < 5; i++) double.server.faults.http.push({ kind: "html" });
    const asked = double.feed().fetch({ ...candles, startMs: 0, endMs: Date.now(), limit: 5 });
    await expect(asked).rejects.toThrow(/klines: no usable answer in 5 tries; the last: no JSON: <!doctype html>/);
  });

  test("waiting for a rate limit ends with the signal", async () => {
    double.server.faults.http.push({ kind: "status", status: 429, retryAfter: "3600" });
    const stop = new AbortController();
    const asked = double.feed().fetch({ ...candles, startMs: 0, endMs: Date.now(), limit: 5, signal: stop.signal });
    setTimeout(() => stop.abort(), 200);
    await expect(asked).rejects.toThrow(/abort/i);
  });

  test("the source's clock is measured, and told when it is wrong", async () => {
    double.server.faults.skewMs = 7_000;
    const events: FeedEvent[] = [];
    const feed = double.feed((event) => events.push(event));
    await feed.fetch({ ...candles, startMs: 0, endMs: Date.now(), limit: 1 });
    const [skew] = events.filter(({ kind }) => kind === "skew");
    expect(skew!.ms).toBeGreaterThan(6_900);
    expect(skew!.ms).toBeLessThan(7_100);
  });
});

describe("what cannot work is refused with what to write instead", () => {
  const ask = (subscription: typeof candles) =>
    double.feed().listen(subscription, async () => undefined, AbortSignal.timeout(5_000));
  test.each([
    ["an interval", { ...candles, granularity: "7s" }, /FEED_GRANULARITY=7s: binance has candles of 1s, 1m, 3m/],
    ["a kind", { ...candles, kind: "gossip" }, /FEED_KIND=gossip: binance has candle, trade, tick, depth, funding/],
    ["a symbol's spelling", { ...candles, subjects: ["btc/usdt"] }, /symbols like BTCUSDT, not btc\/usdt/],
    ["a symbol that does not exist", { ...candles, subjects: ["NOSUCH"] }, /FEED_SUBJECTS=NOSUCH: binance has no such/],
  ])("%s", async (_name, subscription, message) => {
    const refused = ask(subscription);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(FeedSettingError);
  });
  test.each([
    [{ rest_url: "ftp://x" }, /FEED_OPT_rest_url=ftp:\/\/x: an address that begins with https:\/\/ or http:\/\//],
    [{ depth_limit: "50" }, /FEED_OPT_depth_limit=50: a whole number up to 20/],
    [{ silence_seconds: "soon" }, /FEED_OPT_silence_seconds=soon: a positive number, seconds/],
  ])("%o", (options, message) => {
    expect(() => openBinance(options)).toThrow(message);
  });
});

test(`a server that misbehaves for ${CHAOS_SECONDS} s costs not one record and doubles none`, {
  timeout: (CHAOS_SECONDS + 150) * 1_000,
}, async () => {
  const feeds = [candles, trades].map((subscription) => double.listen(subscription));
  for (const feed of feeds) await feed.until("a beginning", () => feed.records.length > 3);
  const counts = await misbehave(double.server.faults, CHAOS_SECONDS, 11);
  const reached = double.server.published();
  for (const feed of feeds) {
    await feed.until("calm again", () => feed.records.some((r) => double.server.indexOf(r) >= reached), 30_000);
    const holes = () => missing(indices(feed.records));
    await feed.until("every hole filled", () => holes() === "", 60_000, holes);
    await feed.stop();
    expectTruth(feed.records);
  }
  expect(counts.size).toBeGreaterThanOrEqual(16);
});
