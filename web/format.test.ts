import { describe, expect, it } from "vitest";
import { covered, duration, formatted, grouped, percentOfFrac64, shortened } from "./format.ts";

it.each([
  [400, "0.4 s"],
  [9_940, "9.9 s"],
  [9_960, "10 s"],
  [59_400, "59 s"],
  [60_000, "1 m"],
  [185_000, "3 m 05 s"],
  [3_600_000, "1 h"],
  [7_860_000, "2 h 11 m"],
  [187_200_000, "2 d 4 h"],
  [-5, "0.0 s"],
])("duration of %s ms", (ms, expected) => {
  expect(duration(ms)).toBe(expected);
});

describe("formatted", () => {
  it.each([
    [null, "decimal-4", "–"],
    [0.541, "percentage", "54.1 %"],
    [-0.18, "decimal-4", "−0.1800"],
    [0, "decimal-2", "0.00"],
    [-0.00001, "decimal-2", "−1.0e−5"],
    [1234.5, "integer", "1,235"],
    [1200, "compact", "1.2K"],
  ])("%s as %s", (value, format, expected) => {
    expect(formatted(value, format)).toBe(expected);
  });
});

it("groups and divides frac64 exactly", () => {
  expect([grouped("1000000000"), percentOfFrac64("333333334")]).toEqual(["1,000,000,000", "33.333 %"]);
});
it("shortens only what is longer than its ends", () => {
  expect([shortened("abcdefghijklmnop", 4), shortened("abcdefg", 4)]).toEqual(["abcd…mnop", "abcdefg"]);
});
it.each([
  [0.001, "1 min"],
  [0.5, "30 min"],
  [3.25, "3.3 h"],
  [23.6, "24 h"],
])("covered %s h", (hours, expected) => {
  expect(covered(hours)).toBe(expected);
});
