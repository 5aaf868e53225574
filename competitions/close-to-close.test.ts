import { describe, expect, test } from "vitest";
import { closeToClose } from "./close-to-close.ts";
import type { MarketRecord, ResolveRequest, SourceRecords } from "./competition.ts";

const STEP = 1_000;
const DUE = 100_000;
const RESOLVE = 160_000;
const closing = (finalMs: number, close: number, change: Partial<MarketRecord> = {}): MarketRecord => ({
  ...{ subject: "BTC", tsEvent: finalMs - STEP, tsFinal: finalMs, values: { open: 1, close }, segment: "" },
  ...change,
});
const both = [closing(DUE, 200), closing(RESOLVE, 210)];
const ask = (change: Partial<ResolveRequest>) =>
  closeToClose({
    ...{ scope: { subject: "BTC" }, dueMs: DUE, resolveAtMs: RESOLVE, granularityMs: STEP },
    ...{ knownUntilMs: RESOLVE, records: both },
    ...change,
  });

describe("one source", () => {
  test("close to close, the candles that were final at both instants, opens never", () => {
    const records = [closing(DUE - 1, 1), ...both, closing(RESOLVE + 1, 9)].sort((a, b) => a.tsFinal - b.tsFinal);
    expect(ask({ records, source: "pyth" })).toEqual({
      resolved: { entry_price: 200, resolved_price: 210, profit: 0.05 },
      evidence: {
        source: "pyth",
        entry: expect.objectContaining({ subject: "BTC", ts_final: "1970-01-01T00:01:40.000Z", price: 200 }),
        exit: expect.objectContaining({ ts_final: "1970-01-01T00:02:40.000Z", price: 210 }),
      },
    });
  });

  test("a trade stands for itself, a book for its middle", () => {
    const of = (name: string) => both.map((r) => ({ ...r, tsEvent: r.tsFinal, values: { [name]: r.values.close! } }));
    for (const name of ["price", "mid_price", "mark_price"])
      expect(ask({ records: of(name) })).toHaveProperty("resolved");
  });

  test.each<[string, Partial<ResolveRequest>, string]>([
    ["the closing candle is not final", { knownUntilMs: RESOLVE - 1 }, "the closing record is not final"],
    [
      "a hole before the due time is being filled",
      { openGaps: [{ fromMs: DUE - 5 * STEP, untilMs: DUE }], records: [closing(DUE - 5 * STEP, 1), both[1]!] },
      "the feed's hole from 1970-01-01T00:01:35.000Z to 1970-01-01T00:01:40.000Z is still being filled",
    ],
    [
      "a hole before the end",
      {
        openGaps: [{ fromMs: RESOLVE - 5 * STEP, untilMs: RESOLVE }],
        records: [both[0]!, closing(RESOLVE - 6 * STEP, 1)],
      },
      "still being filled",
    ],
  ])("%s: it waits", (_what, change, reason) => {
    expect(ask(change)).toEqual({ wait: expect.stringContaining(reason) });
  });

  test("a hole in the middle, or one with the newest record behind it, is of no concern", () => {
    const openGaps = [
      { fromMs: DUE + STEP, untilMs: RESOLVE - 2 * STEP },
      { fromMs: DUE - 9 * STEP, untilMs: DUE - STEP },
    ];
    expect(ask({ openGaps, knownUntilMs: DUE, deliveredUntilMs: RESOLVE })).toHaveProperty("resolved");
  });

  test.each<[string, Partial<ResolveRequest>, string]>([
    ["no opening price", { records: [both[1]!] }, "no opening price was ever recorded"],
    ["no price at all", { records: [] }, "no opening price was ever recorded"],
    [
      "too old by 0.2 of the horizon",
      { records: [closing(DUE - 12_001, 1), both[1]!] },
      "the opening price was 12001 ms old, more than 12000 ms",
    ],
    [
      "too old by the contract's own share",
      { records: [both[0]!, closing(RESOLVE - 6_001, 1)], stalenessFraction: 0.1 },
      "the closing price was 6001 ms old, more than 6000 ms",
    ],
    [
      "a first price of zero",
      { records: [closing(DUE, 0), both[1]!] },
      "the opening price of 1970-01-01T00:01:39.000Z is 0",
    ],
    [
      "a negative last price",
      { records: [both[0]!, closing(RESOLVE, -3)] },
      "the closing price of 1970-01-01T00:02:39.000Z is -3",
    ],
    [
      "no price in the record",
      { records: [closing(DUE, 1, { values: { x: 1 } }), both[1]!] },
      "is NaN: prices must be positive",
    ],
    ["a seam", { records: [both[0]!, closing(RESOLVE, 2, { segment: "1" })] }, "the series broke in between"],
  ])("%s: never", (_what, change, reason) => {
    expect(ask(change)).toEqual({ unresolvable: expect.stringContaining(reason) });
  });
});

describe("several sources", () => {
  const other = (source: string, entry: number, exit: number, change: Partial<SourceRecords> = {}): SourceRecords => ({
    ...{ source, knownUntilMs: RESOLVE, records: [closing(DUE, entry), closing(RESOLVE, exit)] },
    ...change,
  });

  test("the median of those that agree; an outlier is named", () => {
    const others = [other("binance", 200.2, 210.2), other("liar", 200.1, 150)];
    expect(ask({ source: "pyth", others })).toMatchObject({
      resolved: { entry_price: 200.1, resolved_price: 210.1 },
      evidence: { outliers: ["liar"], sources: [{ source: "pyth" }, { source: "binance" }, { source: "liar" }] },
    });
  });

  test("two that disagree by more than the rule give no truth, with both words as the reason", () => {
    const answer = ask({ source: "pyth", others: [other("binance", 200, 220)] });
    expect(answer).toEqual({ unresolvable: "the sources disagree: pyth 200 and 210; binance 200 and 220" });
    expect(ask({ others: [other("binance", 200, 220)], maxDeviation: 0.05 })).toHaveProperty("resolved");
  });

  test("all are waited for; then more than half of them are enough, and one of two is not", () => {
    const late = other("late", 1, 1, { knownUntilMs: DUE });
    const three = { others: [other("binance", 200, 210), late] };
    expect(ask(three)).toEqual({ wait: expect.stringContaining("late: the closing record is not final") });
    expect(ask({ ...three, majorityIsEnough: true })).toMatchObject({
      resolved: { entry_price: 200 },
      evidence: { missing: [expect.stringContaining("late:")] },
    });
    expect(ask({ others: [late], majorityIsEnough: true })).toHaveProperty("wait");
    expect(ask({ others: [other("gone", 1, 1, { records: [] })] })).toEqual({
      unresolvable: "1 of 2 sources have both prices: gone: no opening price was ever recorded",
    });
  });
});
