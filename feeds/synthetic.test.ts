import { expect, test } from "vitest";
import { brownianPath, seedOf, uniform } from "./brownian.ts";
import type { FeedRecord } from "./feed.ts";
import { openSynthetic } from "./synthetic.ts";

const T0 = Date.UTC(2026, 5, 1);
const candles = { subjects: ["X"], kind: "candle", granularity: "1s" };
const open = (options = {}, now = () => T0 + 10_000_000) => openSynthetic(options, ["X", "Y"], now);
const fetch = (feed: ReturnType<typeof open>, more = {}): Promise<FeedRecord[]> =>
  feed.fetch({ ...candles, startMs: T0, endMs: T0 + 60_000, limit: 1_000, ...more });

test("the path is a function of the instant: the order of asking changes nothing", () => {
  const [one, other] = [brownianPath(7), brownianPath(7)];
  const instants = Array.from({ length: 500 }, (_, i) => T0 + ((i * 7_919) % 500) * 1_000);
  const forward = instants.toSorted((a, b) => a - b).map((at) => [at, one(at)]);
  expect(new Map(instants.map((at) => [at, other(at)]))).toEqual(new Map(forward as [number, number][]));
  expect(brownianPath(8)(T0)).not.toBe(one(T0));
  expect(() => one(0.5)).toThrow(RangeError);
});

test("increments are normal with the variance of their length, and independent", () => {
  const path = brownianPath(seedOf("a seed"));
  for (const stepMs of [1_000, 86_400_000]) {
    const z = Array.from({ length: 4_000 }, (_, i) => {
      return (path(T0 + (i + 1) * stepMs) - path(T0 + i * stepMs)) / Math.sqrt(stepMs);
    });
    const mean = z.reduce((a, b) => a + b, 0) / z.length;
    const variance = z.reduce((a, b) => a + (b - mean) ** 2, 0) / z.length;
    const serial = z.slice(1).reduce((sum, b, i) => sum + b * z[i]!, 0) / z.length;
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(z.length));
    expect(Math.abs(variance - 1)).toBeLessThan(0.1);
    expect(Math.abs(serial)).toBeLessThan(0.07);
    const inside = z.filter((value) => Math.abs(value) < 1).length / z.length;
    expect(inside).toBeGreaterThan(0.65);
    expect(inside).toBeLessThan(0.72);
  }
  expect(uniform(1, 2, 3)).toBe(uniform(1, 2, 3));
});

test("a seed is a market: the same twice, another for another seed or subject", async () => {
  const records = await fetch(open());
  expect(await fetch(open())).toEqual(records);
  expect(records).toHaveLength(60);
  const closes = (list: FeedRecord[]) => list.map(({ values }) => values.close);
  expect(closes(await fetch(open({ seed: "2" })))).not.toEqual(closes(records));
  expect(closes(await fetch(open(), { subjects: ["Y"] }))).not.toEqual(closes(records));
});

test("candles join, hold what lies in them, and agree with ticks", async () => {
  const records = await fetch(open());
  const ticks = await fetch(open(), { kind: "tick" });
  records.forEach(({ tsEvent, values: v }, i) => {
    expect(v.high).toBeGreaterThanOrEqual(Math.max(v.open!, v.close!));
    expect(v.low).toBeLessThanOrEqual(Math.min(v.open!, v.close!));
    expect(v.volume).toBeGreaterThan(0);
    expect(ticks[i]).toMatchObject({ tsEvent, values: { price: v.open } });
    if (i > 0) expect(v.open).toBe(records[i - 1]!.values.close);
  });
  const [minute] = await fetch(open(), { granularity: "1m", limit: 1 });
  expect(minute!.values).toMatchObject({ open: records[0]!.values.open, close: records[59]!.values.close });
});

test("the first of 2026 has the price; options that cannot work are refused", async () => {
  const range = { startMs: Date.UTC(2026, 0, 1), endMs: Date.UTC(2026, 0, 1) + 1, kind: "tick" };
  expect((await fetch(open({ price: "42" }), range))[0]!.values.price).toBe(42);
  expect(() => open({ volatility: "-1" })).toThrow("FEED_OPT_volatility=-1: a positive number");
  expect(() => open({ drift: "up" })).toThrow("FEED_OPT_drift=up: a number");
  await expect(fetch(open(), { kind: "depth" })).rejects.toThrow("FEED_KIND=depth: synthetic has candle, tick, trade");
});

test("live is history, a record at a time, when it is final", async () => {
  const feed = open({}, Date.now);
  const stop = new AbortController();
  const got: { record: FeedRecord; atMs: number }[] = [];
  const fast = { subjects: ["X", "Y"], kind: "candle", granularity: "20ms" };
  await feed.listen(
    fast,
    async (records) => {
      for (const record of records) got.push({ record, atMs: Date.now() });
      if (got.length >= 20) stop.abort();
    },
    stop.signal,
  );
  const records = got.map(({ record }) => record);
  const [startMs, endMs] = [records[0]!.tsEvent, records.at(-1)!.tsEvent + 1];
  expect(await feed.fetch({ ...fast, startMs, endMs, limit: 1_000 })).toEqual(records);
  expect(got.every(({ record, atMs }) => atMs >= record.tsEvent + 20)).toBe(true);
});
