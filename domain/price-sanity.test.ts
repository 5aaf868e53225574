import { expect, test } from "vitest";
import { refusal } from "./price-sanity.ts";

const candle = { open: 2, high: 3, low: 1, close: 2.5, volume: 0 };
const of = (values: Record<string, unknown>, tsEvent = 1_700_000_000_000, subject = "BTC") =>
  refusal({ subject, tsEvent, values }, ["BTC", "ETH"]);

test.each<[string, Record<string, unknown>]>([
  ["a candle", candle],
  ["a flat candle", { open: 1, high: 1, low: 1, close: 1, volume: 0 }],
  ["a trade", { price: 0.000001, amount: 5 }],
  ["funding, which may be negative", { funding_rate: -0.01, mark_price: 5, basis: -1 }],
])("%s is believed", (_what, values) => {
  expect(of(values)).toBeNull();
});

test.each<[string, Record<string, unknown>, string]>([
  ["NaN", { price: Number.NaN }, "price is NaN, no finite number"],
  ["infinity", { ...candle, high: Number.POSITIVE_INFINITY }, "high is Infinity, no finite number"],
  ["a text", { price: "12" }, "price is 12, no finite number"],
  ["zero", { ...candle, low: 0 }, "low is 0: a price is above zero"],
  ["a negative price", { price: -1 }, "price is -1: a price is above zero"],
  ["a negative volume", { ...candle, volume: -1 }, "volume is -1: a size is not negative"],
  ["high below low", { high: 1, low: 2 }, "high 1 and low 2 do not contain"],
  ["a close outside", { ...candle, close: 3.1 }, "high 3 and low 1 do not contain open 2 and close 3.1"],
  ["nothing", {}, "it has no values"],
])("%s is refused with its reason", (_what, values, reason) => {
  expect(of(values)).toContain(reason);
});

test("so are other subjects and times that are none", () => {
  expect(of(candle, 1_700_000_000_000, "DOGE")).toBe("DOGE was not asked for");
  for (const time of [Number.NaN, 1.5, -1, 1_700_000_000, 1e18])
    expect(of(candle, time)).toBe(time === 1_700_000_000 ? null : `${time} is no time in epoch ms`);
});
