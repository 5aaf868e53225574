import { expect, test } from "vitest";
import { pollMs, spell } from "./polling.ts";

test("from 2 s, doubling, to an hour and no longer", () => {
  expect([0, 1, 2, 3, 10, 11, 1_000_000].map((idle) => pollMs(idle) / 1_000)).toEqual([
    2, 4, 8, 16, 2_048, 3_600, 3_600,
  ]);
  expect(pollMs(9, 15_000)).toBe(15_000);
});
test("finality after 14 s is seen in 4 looks, 60 days pass in fewer than 1,500", () => {
  const looksUntil = (ms: number) => {
    let [looks, passed] = [0, 0];
    for (; passed < ms; looks++) passed += pollMs(looks);
    return looks;
  };
  expect(looksUntil(14_000)).toBe(3);
  expect(looksUntil(60 * 86_400_000)).toBeLessThan(1_500);
});
test("durations in words", () => {
  expect([2_000, 64_000, 1_024_000, 3_600_000].map(spell)).toEqual(["2 s", "64 s", "17 min", "1 h"]);
});
