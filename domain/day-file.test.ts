import { describe, expect, test } from "vitest";
import { dayFilePath, dayStart, isDayFileName, isPathPart, nextDay, streamFolder } from "./day-file.ts";

const stream = { source: "binance", subject: "BTC-USD", kind: "candle", granularity: "1m" };

test("a file per stream and UTC day", () => {
  expect(dayFilePath(stream, Date.UTC(2026, 0, 15, 23, 59))).toBe("binance/BTC-USD/candle/1m/2026-01-15.parquet");
  expect(nextDay(Date.UTC(2026, 0, 15))).toBe(Date.UTC(2026, 0, 16));
  expect(dayStart(Date.UTC(2026, 0, 16) - 1)).toBe(Date.UTC(2026, 0, 15));
});

describe("what cannot be a folder is refused by its name", () => {
  test.each([
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "../../etc",
    "a..b",
    ".hidden",
    "a b",
    "a%2fb",
    "a\0b",
    "ü",
    "x".repeat(65),
  ])("%j", (subject) => {
    expect(isPathPart(subject)).toBe(false);
    expect(() => streamFolder({ ...stream, subject })).toThrow(/^subject .* cannot name a folder/);
  });
  test.each(["2026-01-15.parquet.tmp", "2026-01-15", "../2026-01-15.parquet", "index.json"])("file %s", (name) => {
    expect(isDayFileName(name)).toBe(false);
  });
  test.each(["BTC", "Crypto.BTC_USD", "EUR-USD", "1INCH"])("%s may", (subject) => {
    expect(isPathPart(subject)).toBe(true);
  });
});
