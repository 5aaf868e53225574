import { describe, expect, test } from "vitest";
import { type FeedEvent, type FeedRecord, FeedSettingError, type Subscription } from "../../feeds/feed.ts";
import type { FeedOptions } from "../../feeds/options.ts";
import { openPyth } from "../../feeds/pyth.ts";
import { CHAOS_SECONDS, misbehave } from "./chaos.ts";
import type { StreamFault } from "./faults.ts";
import { type Listening, missing, underTest } from "./listening.ts";
import { startPythServer } from "./pyth-server.ts";

const ticks = { subjects: ["BTC"], kind: "tick", granularity: "1s" };
const candles = { subjects: ["BTC"], kind: "candle", granularity: "2s" };
const FIRST_SLOT = 85_000_000;

const double = underTest(startPythServer, openPyth);
const listen = (subscription: Subscription, more: FeedOptions = {}): Listening => double.listen(subscription, more);
const slotOf = ({ eventId }: FeedRecord): number => Number(eventId) - FIRST_SLOT;

function expectTicks(records: readonly FeedRecord[]): void {
  const sorted = records.toSorted((a, b) => slotOf(a) - slotOf(b));
  const first = slotOf(sorted[0]!);
  expect(sorted.map(slotOf)).toEqual(sorted.map((_, n) => first + n));
  for (const record of sorted) {
    const { second, price, confidence } = double.server.truth(slotOf(record));
    const values = { price: Number(price) / 1e8, confidence: Number(confidence) / 1e8 };
    expect(record.tsEvent).toBe(second * 1_000);
    expect(record.values).toMatchObject({
      price: expect.closeTo(values.price, 9),
      ...{ confidence: values.confidence },
    });
  }
}

/** Candles as they follow from all updates, made in another way than the feed's. */
function trueCandles(stepMs: number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (let i = 0; i < double.server.published(); i++) {
    const { second, price } = double.server.truth(i);
    const start = second * 1_000 - ((second * 1_000) % stepMs);
    groups.set(start, [...(groups.get(start) ?? []), Number(`${price}e-8`)]);
  }
  return groups;
}
const ohlc = (prices: number[]) => {
  return { open: prices[0], high: Math.max(...prices), low: Math.min(...prices), close: prices.at(-1), volume: 0 };
};

function expectCandles(records: readonly FeedRecord[], stepMs: number): void {
  const truth = trueCandles(stepMs);
  const starts = records.map(({ tsEvent }) => tsEvent).toSorted((a, b) => a - b);
  expect(starts).toEqual(starts.map((_, n) => starts[0]! + n * stepMs));
  for (const record of records)
    expect({ at: record.tsEvent, ...record.values }).toEqual({
      at: record.tsEvent,
      ...ohlc(truth.get(record.tsEvent)!),
    });
}
const newest = (records: readonly FeedRecord[]): number => records.reduce((a, { tsEvent }) => Math.max(a, tsEvent), 0);
const nowOf = (): number => double.server.truth(double.server.published()).second * 1_000;

describe("updates", () => {
  test("each once, with several in a second, price × 10^expo exact", async () => {
    const feed = listen(ticks);
    await feed.until("30 updates", () => feed.records.length >= 30);
    expectTicks(feed.records);
    expect(new Set(feed.records.map(({ tsEvent }) => tsEvent)).size).toBeLessThan(feed.records.length);
    expect(feed.events.filter(({ kind }) => !["connected", "reconnect"].includes(kind))).toEqual([]);
  });

  const BROKEN: [StreamFault, FeedEvent["kind"]][] = [
    ["disconnect", "reconnect"],
    ["half-open", "reconnect"],
    ["malformed", "malformed"],
    ["half-malformed", "malformed"],
    ["duplicate", "duplicate"],
    ["correction", "correction"],
  ];
  test.each(BROKEN)("%s: nothing is lost or doubled, and %s is told", async (fault, told) => {
    const feed = listen(ticks);
    await feed.until("a beginning", () => feed.records.length >= 3);
    double.server.faults.stream.push(fault);
    await feed.until("the event", () => feed.of(told).length > 0);
    const reached = double.server.published();
    await feed.until("what came after", () => feed.records.some((r) => slotOf(r) >= reached + 3));
    expectTicks(feed.records);
  });
});

describe("candles", () => {
  test("an open one is told and marked at each tick, and given out when it is over", async () => {
    const feed = listen(candles);
    await feed.until("an open candle is over", () => {
      const seen = new Set(feed.open.map((candle) => candle.tsEvent));
      return feed.records.some((record) => seen.has(record.tsEvent));
    });
    expect(feed.open.every((candle) => candle.meta.open === true && candle.kind === "candle")).toBe(true);
    expect(feed.records.some((record) => "open" in record.meta)).toBe(false);
  });

  test("real open, high, low and close of the updates; the one that listening began in is not given out", async () => {
    const feed = listen(candles);
    await feed.until("8 candles", () => feed.records.length >= 8);
    expectCandles(feed.records, 2_000);
    expect(feed.records.some(({ values }) => values.high! > values.low!)).toBe(true);
    expect(feed.events.filter(({ kind }) => !["connected", "reconnect"].includes(kind))).toEqual([]);
  });

  test.each(["disconnect", "half-open", "malformed", "half-malformed", "duplicate", "late", "correction"] as const)(
    "%s: every candle is what all updates make of it",
    async (fault) => {
      const feed = listen(candles);
      await feed.until("a beginning", () => feed.records.length >= 2);
      double.server.faults.stream.push(fault);
      await feed.until("the event", () => feed.events.length > 1);
      const reached = nowOf();
      await feed.until("what came after", () => newest(feed.records) >= reached + 4_000);
      expectCandles(feed.records, 2_000);
    },
  );

  test("several subjects are one connection, and each is whole", async () => {
    const feed = listen({ ...candles, subjects: ["BTC", "ETH"] });
    await feed.until("a beginning", () => feed.records.length >= 4);
    double.server.faults.stream.push("half-malformed", "disconnect");
    await feed.until("a new connection", () => feed.of("connected").length > 1);
    const reached = nowOf();
    for (const subject of ["BTC", "ETH"]) {
      const own = () => feed.records.filter((record) => record.subject === subject);
      await feed.until("what came after", () => newest(own()) >= reached + 4_000);
      expectCandles(own(), 2_000);
    }
    expect(double.server.connections()).toBe(1);
  });

  test("a wrong clock of the source is told, and spoils no candle", async () => {
    double.server.faults.skewMs = -30_000;
    const feed = listen(candles);
    await feed.until("8 candles", () => feed.records.length >= 8);
    expectCandles(feed.records, 2_000);
    expect(feed.of("skew")[0]!.ms).toBeLessThan(-28_000);
  });

  test("history that lags behind the stream is waited for", async () => {
    const feed = listen(candles);
    await feed.until("a beginning", () => feed.records.length >= 2);
    double.server.faults.historyLag = 20;
    double.server.faults.stream.push("disconnect");
    const reached = nowOf();
    await feed.until("what came after", () => newest(feed.records) >= reached + 10_000);
    await feed.until("no hole", () => feed.records.length > (newest(feed.records) - feed.records[0]!.tsEvent) / 2_000);
    expectCandles(feed.records, 2_000);
  });
});

describe("history", () => {
  const soon = () => new Promise((resolve) => setTimeout(resolve, 300));
  const start = () => double.server.truth(0).second * 1_000;

  test("updates of every second, half-open", async () => {
    await soon();
    const found = await double.feed().fetch({ ...ticks, startMs: start(), endMs: start() + 3_000, limit: 100 });
    expect(found.map(slotOf)).toEqual(found.map((_, i) => i));
    expect(found.every(({ tsEvent }) => tsEvent < start() + 3_000)).toBe(true);
    expectTicks(found);
  });

  test("candles of seconds from updates, of minutes from the TradingView history", async () => {
    double.server.faults.historyLag = 0;
    await new Promise((resolve) => setTimeout(resolve, 4_000)); // a minute of content is three seconds of the server's
    for (const [granularity, path] of [
      ["2s", "/v1/updates/price/"],
      ["1m", "/v1/shims/tradingview/history"],
    ] as const) {
      double.server.requests.length = 0;
      const stepMs = granularity === "2s" ? 2_000 : 60_000;
      const range = { startMs: start(), endMs: start() + 60_000, limit: 1_000 };
      const found = await double.feed().fetch({ ...candles, granularity, ...range });
      expect(found.length).toBe(60_000 / stepMs);
      expectCandles(found, stepMs);
      expect(double.server.requests.filter((p) => p.startsWith(path)).length).toBeGreaterThan(0);
    }
  });

  test.each(["tick", "candle"] as const)(
    "a history that grows while it is read leaves no hole between two answers: %s",
    async (kind) => {
      const wanted = kind === "tick" ? ticks : candles;
      await new Promise((resolve) => setTimeout(resolve, 5_000)); // 100 s of content: two answers
      double.server.faults.historyLag = double.server.published() - 62; // the first answer ends in the middle of a candle
      const catchUp = setInterval(() => {
        if (double.server.requests.some((path) => path.startsWith("/v1/updates/"))) double.server.faults.historyLag = 0;
      }, 1);
      const found = await double.feed().fetch({ ...wanted, startMs: start(), endMs: start() + 90_000, limit: 1_000 });
      clearInterval(catchUp);
      if (kind === "candle") expectCandles(found, 2_000);
      else expectTicks(found);
      expect(newest(found)).toBeGreaterThan(start() + 85_000);
    },
  );

  test.each([
    ["500", { kind: "status", status: 500 }],
    ["429", { kind: "status", status: 429, retryAfter: "0.05" }],
    ["HTML", { kind: "html" }],
    ["another shape", { kind: "wrong-shape" }],
    ["an empty answer", { kind: "empty" }],
    ["no answer", { kind: "slow", ms: 700 }],
  ] as const)("%s is asked for again", async (_name, fault) => {
    await soon();
    double.server.faults.http.push({ ...fault });
    const found = await double.feed().fetch({ ...ticks, startMs: start(), endMs: start() + 2_000, limit: 100 });
    expect(found.map(slotOf)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("price feeds", () => {
  test("by base, by pair, by symbol, by id", async () => {
    const id = `0x${"A".repeat(64)}`;
    const subjects = ["BTC", "ETH/USD", "Equity.US.BTC/USD", "GOLD"];
    const feed = double.feed(undefined, { feed_id_GOLD: id });
    const range = { startMs: double.server.truth(0).second * 1_000, endMs: Date.now(), limit: 8 };
    await new Promise((resolve) => setTimeout(resolve, 200));
    const found = await Promise.all(subjects.map((s) => feed.fetch({ ...ticks, ...range, subjects: [s] })));
    expect(found.map((records) => records[0]!.subject)).toEqual(subjects);
    expect(await feed.listSubjects()).toContain("Crypto.ETH/USD");
    expect(double.server.requests.filter((path) => path === "/v2/price_feeds")).toHaveLength(1);
  });

  test("a key is sent where one is given, and asked for where one is missing", async () => {
    double.server.requireKey("s3cret");
    await expect(double.feed().listSubjects()).rejects.toThrow(
      /HTTP 401 \(does the source want a key\? FEED_OPT_api_key\)/,
    );
    expect(await double.feed(undefined, { api_key: "s3cret" }).listSubjects()).toHaveLength(3);
    const feed = listen(ticks, { api_key: "s3cret" });
    await feed.until("updates", () => feed.records.length > 3);
  });

  test.each([
    ["a kind", { ...ticks, kind: "depth" }, {}, /FEED_KIND=depth: pyth has candle, tick/],
    [
      "a granularity",
      { ...candles, granularity: "500ms" },
      {},
      /FEED_GRANULARITY=500ms: pyth's times are whole seconds/,
    ],
    ["a subject", { ...ticks, subjects: ["eth"] }, {}, /eth: Pyth has no such price feed; it has Crypto.ETH\/USD/],
    ["an id", ticks, { feed_id_BTC: "0x12" }, /FEED_OPT_feed_id_BTC=0x12: 64 hexadecimal digits/],
    ["an unknown id", ticks, { feed_id_BTC: "0".repeat(64) }, /FEED_OPT_feed_id_BTC=0+: Pyth has no such price feed/],
  ])("%s that cannot work is refused", async (_name, subscription, more, message) => {
    const range = { startMs: 0, endMs: 1, limit: 1 };
    await expect(double.feed(undefined, more).fetch({ ...subscription, ...range })).rejects.toThrow(message);
    const heard = double.feed(undefined, more).listen(subscription, async () => undefined, AbortSignal.timeout(5_000));
    await expect(heard).rejects.toBeInstanceOf(FeedSettingError);
  });
});

test(`servers that misbehave for ${CHAOS_SECONDS} s cost not one record and double none`, {
  timeout: (CHAOS_SECONDS + 150) * 1_000,
}, async () => {
  const feeds = [ticks, candles].map((subscription) => double.listen(subscription));
  for (const feed of feeds) await feed.until("a beginning", () => feed.records.length > 3);
  // A frame that is lost inside a second, or comes behind the next candle's first, leaves no trace that a client could see in time: Pyth
  // numbers seconds, not updates. Hermes keeps the order (allow_unordered=false).
  const counts = await misbehave(
    double.server.faults,
    CHAOS_SECONDS,
    5,
    (fault) => fault !== "lost" && fault !== "late",
  );
  const reached = nowOf();
  const [tickFeed, candleFeed] = feeds as [Listening, Listening];
  const updates = () => missing(tickFeed.records.map(slotOf));
  await tickFeed.until("all updates", () => newest(tickFeed.records) > reached && updates() === "", 60_000, updates);
  const starts = () => missing(candleFeed.records.map(({ tsEvent }) => tsEvent / 2_000));
  await candleFeed.until("all candles", () => newest(candleFeed.records) > reached && starts() === "", 60_000, starts);
  for (const feed of feeds) await feed.stop();
  expectTicks(tickFeed.records);
  expectCandles(candleFeed.records, 2_000);
  expect(counts.size).toBeGreaterThanOrEqual(14);
});
