import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, test } from "vitest";
import { closeToClose } from "../competitions/close-to-close.ts";
import type { MarketRecord } from "../competitions/competition.ts";
import { type FeedRecord, FeedSettingError } from "./feed.ts";
import { openFeed } from "./open.ts";
import { createReplayFeed } from "./replay.ts";
import { fileSeries, packagedSeries, parseSeries } from "./series.ts";

const second = { subjects: ["SP500"], kind: "candle", granularity: "1s" };
const T0 = Date.UTC(2026, 0, 5);

describe("the packaged series", () => {
  test("one bar a second, the same bar at the same instant whenever it is asked", async () => {
    const feed = createReplayFeed({ series: await packagedSeries(), subject: "SP500" });
    const all = await feed.fetch({ ...second, startMs: T0, endMs: T0 + 120_000, limit: 1_000 });
    const part = await feed.fetch({ ...second, startMs: T0 + 60_000, endMs: T0 + 90_000, limit: 1_000 });
    expect(all).toHaveLength(120);
    expect(part).toEqual(all.slice(60, 90));
    expect(all.every((r, i) => r.tsEvent === T0 + i * 1_000 && r.values.close! > 0)).toBe(true);
  });

  test("days on end: every second has a bar, and each loop is a segment of its own", async () => {
    const series = await packagedSeries();
    expect(series.events.length).toBeGreaterThan(5_000);
    const feed = createReplayFeed({ series, subject: "SP500" });
    const day = await feed.fetch({ ...second, startMs: T0, endMs: T0 + 86_400_000, limit: 100_000 });
    expect(day).toHaveLength(86_400);
    const segments = new Set(day.map((r) => r.meta.segment));
    const seams = day.filter((r, i) => i > 0 && r.meta.segment !== day[i - 1]!.meta.segment);
    expect(seams.every((r) => r.meta.recorded === series.events[0]!.recorded)).toBe(true);
    expect(segments.size).toBe(seams.length + 1);
    expect(seams.length).toBe(Math.floor((T0 + 86_400_000 - 1) / series.spanMs) - Math.floor(T0 / series.spanMs));
  });

  test("a return across the seam of the loop is never scored", async () => {
    const series = await packagedSeries();
    const feed = createReplayFeed({ series, subject: "SP500" });
    const seam = Math.ceil(T0 / series.spanMs) * series.spanMs;
    const records = (await feed.fetch({ ...second, startMs: seam - 60_000, endMs: seam + 60_000, limit: 1_000 })).map(
      market,
    );
    const resolve = (dueMs: number) =>
      closeToClose({
        scope: { subject: "SP500" },
        dueMs,
        resolveAtMs: dueMs + 20_000,
        granularityMs: 1_000,
        knownUntilMs: seam + 60_000,
        records,
      });
    expect(resolve(seam - 10_000)).toEqual({ unresolvable: "the series broke in between (the replay began anew)" });
    expect(resolve(seam - 21_000)).toHaveProperty("resolved");
    expect(resolve(seam + 1_000)).toHaveProperty("resolved");
  });
});

const market = (r: FeedRecord): MarketRecord => ({
  subject: r.subject,
  tsEvent: r.tsEvent,
  tsFinal: r.tsEvent + 1_000,
  values: r.values,
  segment: r.meta.segment ?? "",
});

test("listening delivers each bar once, when it is final", async () => {
  const series = parseSeries("date,close\n2000-01-03,1\n2000-01-04,2\n2000-01-05,3\n", { even: true, candles: true });
  const feed = createReplayFeed({ series, subject: "X" });
  const stop = new AbortController();
  const got: { record: FeedRecord; atMs: number }[] = [];
  const fast = { subjects: ["X"], kind: "candle", granularity: "20ms" };
  await feed.listen(
    fast,
    async (records) => {
      for (const record of records) got.push({ record, atMs: Date.now() });
      if (got.length >= 10) stop.abort();
    },
    stop.signal,
  );
  const times = got.map((g) => g.record.tsEvent);
  expect(new Set(times).size).toBe(times.length);
  expect(times).toEqual(times.map((_, i) => times[0]! + i * 20));
  expect(got.every((g) => g.atMs >= g.record.tsEvent + 20)).toBe(true);
  expect(times.map((t) => got[times.indexOf(t)]!.record.values.close)).toEqual(times.map((t) => ((t / 20) % 3) + 1));
});

describe("parquet", () => {
  const day = async (folder: string, name: string, firstMs: number) => {
    const times = [0, 1, 2].map((i) => new Date(firstMs + i * 60_000));
    const columnData = [
      { name: "ts_event", data: times, type: "TIMESTAMP" as const },
      { name: "source", data: ["binance", "binance", "binance"], type: "STRING" as const },
      ...["open", "high", "low", "close"].map((name, c) => {
        return { name, data: [1, 2, 3].map((i) => i + c / 10), type: "DOUBLE" as const };
      }),
      { name: "meta", data: ["{}", "{}", "{}"], type: "STRING" as const },
    ];
    await writeFile(join(folder, name), Buffer.from(parquetWriteBuffer({ columnData })));
  };

  test("a file, and a folder of day files, replay like a CSV", async () => {
    const folder = await mkdtemp(join(tmpdir(), "almanac-replay-"));
    try {
      const firstMs = Date.UTC(2025, 0, 1);
      await day(folder, "2025-01-02.parquet", firstMs + 86_400_000);
      await day(folder, "2025-01-01.parquet", firstMs);
      const one = await fileSeries(join(folder, "2025-01-01.parquet"), { even: false, candles: true });
      expect(one.events.map(({ offsetMs }) => offsetMs)).toEqual([0, 60_000, 120_000]);
      expect(one.events[2]).toMatchObject({ values: { open: 3, close: 3.3 }, recorded: "2025-01-01T00:02:00.000Z" });
      expect(Object.keys(one.events[0]!.values)).toEqual(["open", "high", "low", "close"]);
      const all = await fileSeries(folder, { even: false, candles: true });
      expect(all.events).toHaveLength(6);
      expect(all.events[3]!.offsetMs).toBe(86_400_000);
      expect(all.stepMs).toBe(60_000);
      await writeFile(join(folder, "2025-01-03.parquet"), "no parquet");
      await expect(fileSeries(folder, { even: false, candles: true })).rejects.toThrow(
        /FEED_OPT_file=.* cannot be read/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const data = process.env.ALMANAC_TEST_DATA ?? join(import.meta.dirname, "..", "..", "shared", "data");
describe.skipIf(!existsSync(data))("recorded market data (skipped where the folder of recordings is absent)", () => {
  test("candles keep their gaps and their distances", async () => {
    const series = await fileSeries(join(data, "xrp-eth-1m.csv"), { even: false, candles: true });
    expect(series.stepMs).toBe(60_000);
    const feed = createReplayFeed({ series, subject: "XRPETH" });
    const start = Math.ceil(T0 / series.spanMs) * series.spanMs;
    const minute = { subjects: ["XRPETH"], kind: "candle", granularity: "1m" };
    const loop = await feed.fetch({ ...minute, startMs: start, endMs: start + series.spanMs, limit: 10_000 });
    expect(loop).toHaveLength(2_469);
    expect(loop[3]!.tsEvent - loop[2]!.tsEvent).toBe(120_000);
    expect(loop[0]!.values).toMatchObject({ open: 0.00141342, close: 0.00141418, volume: 1_482 });
  });

  test("trades of one millisecond stay apart by their ids", async () => {
    const series = await fileSeries(join(data, "xrp-eth-trades.csv"), { even: false, candles: false });
    const feed = createReplayFeed({ series, subject: "XRPETH" });
    const start = Math.ceil(T0 / series.spanMs) * series.spanMs;
    const trades = { subjects: ["XRPETH"], kind: "trade", granularity: "1ms" };
    const loop = await feed.fetch({ ...trades, startMs: start, endMs: start + series.spanMs, limit: 20_000 });
    expect(loop).toHaveLength(12_477);
    expect(loop[0]!.tsEvent).toBe(loop[1]!.tsEvent);
    expect(new Set(loop.map((r) => `${r.tsEvent}/${r.eventId}`)).size).toBe(12_477);
  });
});

describe("settings that cannot work are refused with what to write instead", () => {
  const base = { source: "replay", subjects: ["SP500"], kind: "candle", options: {} };
  test.each([
    [
      "an unknown source",
      { ...base, source: "carrier-pigeon" },
      /FEED_SOURCE=carrier-pigeon: this version has pyth, binance, replay, synthetic/,
    ],
    ["a missing file", { ...base, options: { file: "no/such.csv" } }, /FEED_OPT_file=no\/such.csv cannot be read/],
    ["a speed of zero", { ...base, options: { speed: "0" } }, /FEED_OPT_speed=0: a positive number/],
    ["a spacing that is neither", { ...base, options: { spacing: "odd" } }, /even or recorded/],
  ])("%s", async (_name, settings, message) => {
    await expect(openFeed(settings)).rejects.toThrow(message);
    await expect(openFeed(settings)).rejects.toBeInstanceOf(FeedSettingError);
  });

  test("a speed that contradicts the granularity, a subject that the series has not, a file that goes back in time", async () => {
    const feed = await openFeed({ ...base, options: { speed: "10" } });
    const ask = (s: typeof second) => feed.fetch({ ...s, startMs: 0, endMs: 1, limit: 1 });
    await expect(ask(second)).rejects.toThrow("set FEED_GRANULARITY=100ms");
    await expect(ask({ ...second, granularity: "100ms", subjects: ["BTC"] })).rejects.toThrow(
      "the replay has SP500, not BTC",
    );
    expect(() => parseSeries("ts,close\n2000,1\n1000,2\n", { even: false, candles: true })).toThrow(
      "line 3: time goes backwards",
    );
    expect(() => parseSeries("ts,close\nyesterday,1\n1000,2\n", { even: false, candles: true })).toThrow(
      'line 2: "yesterday" is no time',
    );
  });
});
