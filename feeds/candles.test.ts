import { describe, expect, test } from "vitest";
import { barOf, candleBuilder, foldCandles } from "./candles.ts";
import type { FeedEvent, FeedRecord } from "./feed.ts";
import { reporter } from "./report.ts";

const tick = (atMs: number, price: number, previousMs = atMs - 1_000) => ({ atMs, price, previousMs });
function builder(events: FeedEvent[] = []) {
  const toRecord = ({ atMs, open, high, low, close, volume }: ReturnType<typeof barOf>): FeedRecord => {
    const values = { open, high, low, close, volume };
    return {
      source: "s",
      subject: "X",
      kind: "candle",
      granularity: "5s",
      tsEvent: atMs,
      eventId: "",
      values,
      meta: {},
    };
  };
  return candleBuilder(
    5_000,
    toRecord,
    reporter("s", (event) => events.push(event)),
    "X",
  );
}

test("bars join to larger ones; where nothing was, there is none", () => {
  const bars = [barOf(0, 5), barOf(1_000, 9), barOf(4_999, 7), barOf(12_000, 3)];
  expect(foldCandles(bars, 5_000)).toEqual([
    { atMs: 0, open: 5, high: 9, low: 5, close: 7, volume: 0 },
    { atMs: 10_000, open: 3, high: 3, low: 3, close: 3, volume: 0 },
  ]);
  const minutes = [
    { atMs: 0, open: 1, high: 4, low: 1, close: 2, volume: 10 },
    { atMs: 60_000, open: 2, high: 3, low: 0.5, close: 3, volume: 5 },
  ];
  expect(foldCandles(minutes, 120_000)).toEqual([{ atMs: 0, open: 1, high: 4, low: 0.5, close: 3, volume: 15 }]);
});

describe("a candle of a stream", () => {
  test("is given out when the next one begins, with what came before and last", () => {
    const build = builder();
    for (const [at, price] of [
      [10_000, 5],
      [11_000, 8],
      [12_000, 4],
      [13_000, 6],
      [14_000, 7],
    ] as const)
      expect(build.add(tick(at, price))).toBeUndefined();
    const ended = build.add(tick(15_000, 9))!;
    expect(ended.record.values).toEqual({ open: 5, high: 8, low: 4, close: 7, volume: 0 });
    expect(ended).toMatchObject({ record: { tsEvent: 10_000 }, sequence: 14_000, previous: 9_000 });
  });

  test.each([
    ["began before we listened", [tick(11_000, 1), tick(12_000, 1), tick(16_000, 1)]],
    ["lacks a tick in its middle", [tick(10_000, 1), tick(13_000, 1, 12_000), tick(15_000, 1, 13_000)]],
    ["lacks its last tick", [tick(10_000, 1), tick(15_000, 1, 14_000)]],
  ])("is not given out when it %s", (_what, ticks) => {
    const build = builder();
    expect(ticks.map((one) => build.add(one))).toEqual(ticks.map(() => undefined));
  });

  test("is not given out when something may have been missed, the one after it is", () => {
    const build = builder();
    build.add(tick(10_000, 1));
    build.doubt();
    expect(build.add(tick(15_000, 2, 10_000))).toBeUndefined();
    expect(build.add(tick(20_000, 3, 15_000))?.record.tsEvent).toBe(15_000);
  });

  test("may be quiet: a source that says so leaves no doubt", () => {
    const build = builder();
    build.add(tick(10_000, 1, 9_000));
    const ended = build.add(tick(30_000, 2, 10_000))!;
    expect(ended.record.values.close).toBe(1);
    expect(build.add(tick(36_000, 2, 30_000))).toMatchObject({ previous: 10_000, sequence: 30_000 });
  });

  test("ends by the clock where no tick shows it; what comes after that is told and left out", () => {
    const events: FeedEvent[] = [];
    const build = builder(events);
    build.add(tick(10_000, 1, 9_000));
    expect(build.endAt(14_999)).toBeUndefined();
    expect(build.endAt(15_000)?.record.tsEvent).toBe(10_000);
    expect(build.add(tick(14_000, 9, 10_000))).toBeUndefined();
    expect(events).toMatchObject([{ kind: "late", subject: "X", ms: 1_000 }]);
  });
});
