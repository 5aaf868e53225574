import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ingest } from "../../../activities/feed.ts";
import { type FeedGap, gapsBetween, openGaps } from "../../../db/feed-gaps.ts";
import { qualityIncidents } from "../../../db/feed-quality.ts";
import { feedSummaries } from "../../../db/feed-reports.ts";
import { newestRecords, watermark } from "../../../db/feeds.ts";
import type { FeedStream } from "../../../domain/feed-streams.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import {
  at,
  candle,
  candles,
  dimensionOf,
  doubleFeed,
  freshDatabase,
  ingestion,
  log,
  marketOf,
  NOW,
  STEP,
  streamOf,
  T0,
} from "./world.ts";

let world: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  world = await freshDatabase();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const all = { fromMs: T0 - 86_400_000, untilMs: NOW + 86_400_000 };
const storedIn = async (stream: FeedStream): Promise<number[]> => {
  const rows = await newestRecords(world.db, dimensionOf(stream), { beforeMs: all.untilMs, limit: 20_000 });
  return rows.map((r) => (r.tsEvent - T0) / STEP);
};
const gapsOf = async (stream: FeedStream) =>
  (await gapsBetween(world.db, dimensionOf(stream), all))
    .map(({ fromMs, untilMs, status, missing }: FeedGap) => [
      (fromMs - T0) / STEP,
      (untilMs - T0) / STEP,
      status,
      missing,
    ])
    .toReversed();
const range = (from: number, until: number) => Array.from({ length: until - from }, (_, i) => from + i);

describe("what is not believed", () => {
  test("is counted once with its reason, and nothing else is lost", async () => {
    const stream = streamOf("REFUSED");
    const { intake, counts, stored } = ingestion(world.db, stream);
    const batch = [
      candle(stream, 0),
      candle(stream, 1, { values: { close: Number.NaN } }),
      candle(stream, 1, { values: { close: 0 } }),
      candle(stream, 2, { values: { close: -5 } }),
      candle(stream, 3, { subject: "OTHER" }),
      candle(stream, 4, { source: "elsewhere" }),
      candle(stream, 5, { tsEvent: NOW + 60_000 }),
      candle(stream, 6, { tsEvent: NOW - 100 * 86_400_000 }),
      candle(stream, 7, { meta: { note: "a\0b" } }),
      candle(stream, 1),
    ];
    await intake.take(batch);
    await intake.take(batch.slice(0, 5));
    expect(stored.map((r) => r.tsEvent)).toEqual([at(0), at(1)]);
    expect(await storedIn(stream)).toEqual([0, 1]);
    // the two of second 1 share a key, which is told once
    expect(await counts()).toEqual({ refused: 7, duplicate: 1 });
    const [incident] = await qualityIncidents(world.db, dimensionOf(stream), NOW - 1, NOW);
    expect(incident).toMatchObject({
      what: "refused",
      count: 7,
      detail: expect.stringContaining("characters that are none"),
    });
  });
});

describe("late, double, corrected, ahead of time", () => {
  test("each is counted; the first record of a key stays", async () => {
    const stream = streamOf("ORDER");
    const { intake, counts } = ingestion(world.db, stream, { now: () => at(8) });
    await intake.take([candle(stream, 0), candle(stream, 1)]);
    await intake.take([candle(stream, 2), candle(stream, 2), candle(stream, 1)]);
    await intake.take([candle(stream, 0, { values: { close: 7 } })]);
    await intake.take([candle(stream, 4), candle(stream, 3)]); // the older one came after the newer
    await intake.take([candle(stream, 9)]); // ends two seconds ahead of our clock
    expect(await counts()).toEqual({ duplicate: 2, correction: 1, late: 1, future: 1 });
    const records = await newestRecords(world.db, dimensionOf(stream), { beforeMs: at(1), limit: 1 });
    expect(records[0]!.values).toEqual(candle(stream, 0).values);
  });

  test("a clock that goes back refuses what lies ahead, and fetches it when it is right again", async () => {
    const stream = streamOf("BACKWARDS");
    const feed = doubleFeed(candles(stream, 0, 30));
    let now = at(10);
    const { intake, counts } = ingestion(world.db, stream, { feed, now: () => now });
    await intake.take(candles(stream, 0, 10));
    now = at(-50);
    await intake.take(candles(stream, 10, 20));
    expect(await storedIn(stream)).toEqual(range(0, 10));
    now = at(25);
    await intake.take([candle(stream, 24)]);
    expect(await storedIn(stream)).toEqual(range(0, 25));
    expect(await counts()).toMatchObject({ refused: 10 });
    expect(await gapsOf(stream)).toEqual([[10, 24, "FILLED", 0]]);
  });
});

describe("holes", () => {
  test("one that a live record shows is filled before the record is told of", async () => {
    const stream = streamOf("LIVE");
    const feed = doubleFeed(candles(stream, 0, 100));
    const { intake, stored } = ingestion(world.db, stream, { feed });
    await intake.take(candles(stream, 0, 3));
    await intake.take([candle(stream, 9)]);
    expect(stored.map((r) => (r.tsEvent - T0) / STEP)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await gapsOf(stream)).toEqual([[3, 9, "FILLED", 0]]);
  });

  test("page by page where it is longer than a page, the node's absence included", async () => {
    const stream = streamOf("PAGES");
    const feed = doubleFeed(candles(stream, 0, 2_500));
    const { intake } = ingestion(world.db, stream, { feed, now: () => at(2_500) });
    await ingestion(world.db, stream).intake.take([candle(stream, 0)]);
    await intake.begin();
    expect(await storedIn(stream)).toEqual(range(0, 2_500));
    expect(feed.asked.map((a) => a.startMs)).toEqual([at(1), at(1_000) + 1, at(2_000) + 1]);
    expect(await gapsOf(stream)).toEqual([[1, 2_499.001, "FILLED", 0]]);
  });

  test("while the source is away live records go on, and truth is known to be incomplete; then it is filled", async () => {
    const stream = streamOf("AWAY");
    const feed = doubleFeed(candles(stream, 0, 100));
    let now = at(20);
    const { intake } = ingestion(world.db, stream, { feed, now: () => now });
    await intake.take(candles(stream, 0, 3));
    feed.down = true;
    await intake.take([candle(stream, 9), candle(stream, 10)]);
    expect(await storedIn(stream)).toEqual([0, 1, 2, 9, 10]);
    const market = marketOf(world.db, stream);
    expect(await market.coverage("AWAY", T0)).toMatchObject({
      ...{ knownUntilMs: at(4) - 1, deliveredUntilMs: at(11), openGaps: [{ fromMs: at(3), untilMs: at(9) }] },
    });
    expect((await market.coverage("AWAY", at(9))).knownUntilMs).toBe(at(11)); // the hole lies before what is asked for
    feed.down = false;
    now = at(60);
    await intake.routine();
    expect(await storedIn(stream)).toContain(5);
    expect((await market.coverage("AWAY", T0)).openGaps).toEqual([]);
  });

  test("a killed process leaves its hole in the database; the next one goes on from its last page", async () => {
    const stream = streamOf("KILLED");
    const feed = doubleFeed(candles(stream, 0, 3_000));
    await ingestion(world.db, stream).intake.take([candle(stream, 0)]);
    const fetch = feed.fetch;
    feed.fetch = async (request) => {
      if (feed.asked.length === 2) throw new Error("killed");
      return fetch(request);
    };
    await ingestion(world.db, stream, { feed, now: () => at(3_000) }).intake.begin();
    expect((await openGaps(world.db, dimensionOf(stream))).map((g) => g.cursorMs)).toEqual([at(2_000) + 1]);
    feed.fetch = fetch;
    const next = ingestion(world.db, stream, { feed, now: () => at(3_000) });
    await next.intake.begin();
    expect(feed.asked.at(-1)!.startMs).toBe(at(2_000) + 1);
    expect(await storedIn(stream)).toEqual(range(0, 3_000));
  });

  test("what the source itself does not have is EMPTY, hole by hole, once its history has settled", async () => {
    const stream = streamOf("HOLES");
    const feed = doubleFeed(candles(stream, 0, 40).filter((r) => ![11, 12, 13, 20].includes((r.tsEvent - T0) / STEP)));
    let now = at(30);
    const { intake } = ingestion(world.db, stream, { feed, now: () => now });
    await intake.take([...candles(stream, 0, 10)]);
    await intake.take(candles(stream, 25, 28));
    expect(await gapsOf(stream)).toEqual([[10, 25, "OPEN", null]]);
    now = at(40);
    await intake.routine();
    expect(await gapsOf(stream)).toEqual([
      [10, 25, "FILLED", 0],
      [11, 14, "EMPTY", 3],
      [20, 21, "EMPTY", 1],
    ]);
    expect(await qualityIncidents(world.db, dimensionOf(stream), at(12), at(13))).toMatchObject([
      { what: "gap", count: 0 },
      { what: "gap", fromMs: at(11), untilMs: at(14), count: 3 },
    ]);
  });

  test("one found among stored records at a start is filled; nobody asks again for what the source does not have", async () => {
    const stream = streamOf("FOUND");
    await ingestion(world.db, stream).intake.take([...candles(stream, 0, 5), ...candles(stream, 9, 12)]);
    await world.db.deleteFrom("feed_gaps").where("subject", "=", "FOUND").execute(); // an older version noted none
    const feed = doubleFeed(candles(stream, 0, 7));
    const start = () => ingestion(world.db, stream, { feed, now: () => at(30), backfillMs: 60_000 }).intake.begin();
    await start();
    expect(await storedIn(stream)).toEqual([...range(0, 7), 9, 10, 11]);
    const asked = feed.asked.length;
    await start();
    expect(feed.asked.length - asked).toBeLessThanOrEqual(1); // what came since the last record, and no more
  });

  test("trades have no grid: after a start from the last one on, and where the feed lost touch", async () => {
    const stream = streamOf("TRADES", { kind: "trade" });
    const trade = (ms: number, id: string): FeedRecord => ({
      ...dimensionOf(stream),
      ...{ tsEvent: T0 + ms, eventId: id, values: { price: 5, amount: 1 }, meta: {} },
    });
    let now = T0 + 15;
    const feed = doubleFeed([trade(5, "b"), trade(5, "c"), trade(9, "d"), trade(20, "e"), trade(30, "f")]);
    const { intake, quality, stored } = ingestion(world.db, stream, { feed, now: () => now });
    await intake.take([trade(5, "b")]);
    await intake.begin();
    now = T0 + 40;
    expect(stored.map((r) => r.eventId)).toEqual(["b", "c", "d"]);
    quality.observe({
      ...{ kind: "gap", source: "double", subject: "TRADES", atMs: T0, count: 1, detail: "lost touch" },
      ...{ sinceMs: T0 + 9, ms: 21 },
    });
    await intake.take([trade(30, "f")]);
    expect(stored.map((r) => r.eventId)).toEqual(["b", "c", "d", "e", "f"]);
    expect(await openGaps(world.db, dimensionOf(stream))).toEqual([]);
  });
});

test("a stream that brings nothing is asked for its history, more and more seldom", async () => {
  const stream = streamOf("SILENT");
  const feed = doubleFeed();
  let now = at(3);
  const { intake } = ingestion(world.db, stream, { feed, now: () => now });
  await intake.take([candle(stream, 0)]);
  for (; now < at(183); now += 1_000) await intake.routine();
  expect(feed.asked.length).toBeGreaterThanOrEqual(3);
  expect(feed.asked.length).toBeLessThanOrEqual(6);
  feed.history = candles(stream, 0, 240);
  for (; now < at(260); now += 1_000) await intake.routine();
  expect((await storedIn(stream)).length).toBeGreaterThan(180);
});

test("a source that fails stops no other, and is there again when it answers", async () => {
  const [good, bad] = [streamOf("GOOD"), streamOf("BAD")];
  const feeds = { good: doubleFeed(candles(good, 0, 50)), bad: doubleFeed(candles(bad, 0, 50)) };
  feeds.bad.down = true;
  let fails = 2;
  feeds.bad.listen = async (_s, sink, signal) => {
    if (fails-- > 0) throw new Error("no connection");
    await sink([candle(bad, 40)]);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  };
  feeds.good.listen = async (_s, sink, signal) => {
    await sink([candle(good, 40)]);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  };
  const stop = new AbortController();
  const began = Date.now();
  const runs = (
    [
      ["good", good],
      ["bad", bad],
    ] as const
  ).map(([name, stream]) => {
    const { quality } = ingestion(world.db, stream);
    const deps = { db: world.db, stream, quality, log, feed: feeds[name], now: () => at(50) + Date.now() - began };
    return ingest({ ...deps, backfillMs: 50_000, keepMs: 1e12, onStored: () => undefined }, stop.signal);
  });
  await expect.poll(() => storedIn(good), { timeout: 5_000 }).toEqual(range(0, 50));
  expect(await storedIn(bad)).toEqual([]);
  feeds.bad.down = false;
  await expect.poll(() => storedIn(bad), { timeout: 20_000 }).toEqual(range(0, 50));
  stop.abort();
  await Promise.all(runs);
});

test("what is stored of a stream is counted as it is stored, over midnight too", async () => {
  const stream = streamOf("COUNTED");
  const { intake } = ingestion(world.db, stream, { now: () => at(7_300) });
  await intake.take(candles(stream, 0, 7_200));
  await intake.take(candles(stream, 7_190, 7_202));
  const summary = (await feedSummaries(world.db)).find((s) => s.subject === "COUNTED");
  expect(summary).toMatchObject({ record_count: 7_202, oldest_ts: new Date(at(0)), newest_ts: new Date(at(7_201)) });
  expect(await watermark(world.db, dimensionOf(stream))).toBe(at(7_201));
});
