import { expect, test } from "vitest";
import { Random } from "./random.ts";

const draw = (seed: string, n: number): number[] => {
  const random = new Random(seed);
  return Array.from({ length: n }, () => random.next());
};

test("one seed gives one series, another seed another", () => {
  expect(draw("board-1", 50)).toEqual(draw("board-1", 50));
  expect(draw("board-1", 50)).not.toEqual(draw("board-2", 50));
  expect(draw("", 5).every((x) => Number.isInteger(x) && x >= 0 && x < 2 ** 32)).toBe(true);
});

test("numbers below n are spread evenly", () => {
  const random = new Random("even");
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
  const chiSquare = counts.reduce((sum, c) => sum + (c - 10_000) ** 2 / 10_000, 0);
  expect(chiSquare).toBeLessThan(27.9); // 99.9 % of even series, 9 degrees of freedom
});
