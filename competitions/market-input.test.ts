import { expect, test } from "vitest";
import type { MarketRecord } from "./competition.ts";
import { defineCompetition } from "./define.ts";
import { buildCompatInput, buildMarketInput, marketInput } from "./market-input.ts";

const record = (i: number, lengthMs: number, values: Record<string, number>): MarketRecord => ({
  ...{ subject: "BTC", tsEvent: i * 1_000, tsFinal: i * 1_000 + lengthMs, values, segment: "" },
});
const bar = { volume: 4, close: 3, open: 1, low: 0.5, high: 3.5 };

test.each([
  [200, "candles_200ms"],
  [1_000, "candles_1s"],
  [60_000, "candles_1m"],
  [90_000, "candles_90s"],
  [86_400_000, "candles_1d"],
])("candles of %i ms are %s", (length, field) => {
  const input = buildMarketInput("BTC", 5_000, [record(1, length, bar), record(2, length, bar)]);
  expect(marketInput.parse(input)).toEqual({
    ...{ symbol: "BTC", asof_ts: 5_000 },
    [field]: [1, 2].map((ts) => ({ ts, open: 1, high: 3.5, low: 0.5, close: 3, volume: 4 })),
  });
});

test("fields are in one order, whatever order the record had", () => {
  const shuffled = { low: 0.5, high: 3.5, open: 1, close: 3, volume: 4 };
  const of = (values: Record<string, number>) => JSON.stringify(buildMarketInput("BTC", 5, [record(1, 1_000, values)]));
  expect(of(shuffled)).toBe(of(bar));
});

test("trades, ticks and books are ticks", () => {
  const records = [
    record(1, 0, { price: 5, amount: 2 }),
    record(2, 0, { mid_price: 6 }),
    record(3, 0, { funding_rate: 1 }),
  ];
  expect(buildMarketInput("BTC", 5, records)).toEqual({
    ...{
      symbol: "BTC",
      asof_ts: 5,
      ticks: [
        { ts: 1, price: 5 },
        { ts: 2, price: 6 },
      ],
    },
  });
});

test("as the public node writes it only where the contract asks for it", () => {
  const records = [record(1, 1_000, bar)];
  expect(Object.keys(buildCompatInput("BTC", 5, records))).toEqual(["symbol", "asof_ts", "candles_1m"]);
  const score = () => ({ value: 0 });
  const fieldOf = (competition: ReturnType<typeof defineCompetition>) =>
    Object.keys(competition.buildInput("BTC", 5, records)).at(-1);
  expect(fieldOf(defineCompetition({ id: "a", score, compat: "crunch-node" }))).toBe("candles_1m");
  expect(fieldOf(defineCompetition({ id: "a", score }))).toBe("candles_1s");
});
