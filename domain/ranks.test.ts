import { describe, expect, test } from "vitest";
import { Random } from "./random.ts";
import { Ranker, rankCorrelation } from "./ranks.ts";

/** (how many are smaller) − (how many are larger): the definition, by comparing all pairs. */
const byDefinition = (x: readonly number[]): number[] =>
  x.map((a) => x.reduce((sum, b) => sum + Number(b < a) - Number(b > a), 0));

function ranked(x: readonly number[]): { ranks: number[]; squares: number } {
  const out = new Float64Array(x.length);
  const squares = new Ranker(x.length).rank(Float64Array.from(x), x.length, out);
  return { ranks: [...out], squares };
}

const random = new Random("ranks");
const uniform = (): number => random.next() / 2 ** 32 - 0.5;
const upperWordsEqual = Array.from({ length: 200 }, (_, i) => 1 + ((i * 77) % 200) * Number.EPSILON);
const series: [string, number[]][] = [
  ["empty", []],
  ["one", [3]],
  ["two equal", [2, 2]],
  ["ties share the average", [1, 2, 2, 3, 2]],
  ["−0 is 0", [0, -0, 1, -1, -0]],
  ["extremes", [Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324, -5e-324, 0, 1e-310]],
  ["constant and long", new Array(100).fill(7)],
  ["32", Array.from({ length: 32 }, uniform)],
  ["33", Array.from({ length: 33 }, uniform)],
  ["1000", Array.from({ length: 1000 }, uniform)],
  ["three values", Array.from({ length: 500 }, () => random.below(3) - 1)],
  ["equal in the upper 32 bits", upperWordsEqual],
  ["few equal in the upper 32 bits", [...Array.from({ length: 60 }, uniform), ...upperWordsEqual.slice(0, 20)]],
  ["descending", Array.from({ length: 300 }, (_, i) => -i)],
];

describe("ranks", () => {
  test.each(series)("%s", (_name, x) => {
    const expected = byDefinition(x);
    expect(ranked(x).ranks.map((r) => r + 0)).toEqual(expected.map((r) => r + 0));
    expect(ranked(x).squares).toBe(expected.reduce((sum, r) => sum + r * r, 0));
  });

  test("only the first n values count, and a ranker can be used again", () => {
    const ranker = new Ranker(100);
    const x = Float64Array.from({ length: 100 }, uniform);
    const out = new Float64Array(100);
    ranker.rank(x, 100, out);
    ranker.rank(x, 40, out);
    expect([...out.subarray(0, 40)]).toEqual(byDefinition([...x.subarray(0, 40)]));
  });
});

test("correlation of ranks is exactly ±1 for the same and the opposite order, 0 for a constant", () => {
  const rising = ranked([1, 5, 9, 11]);
  const falling = ranked([4, 3, 2, 1]);
  const flat = ranked([2, 2, 2, 2]);
  const of = (a: typeof rising, b: typeof rising): number =>
    rankCorrelation(Float64Array.from(a.ranks), a.squares, Float64Array.from(b.ranks), b.squares, 4);
  expect([of(rising, rising), of(rising, falling), of(rising, flat)]).toEqual([1, -1, 0]);
});
