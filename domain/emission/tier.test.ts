import { describe, expect, test } from "vitest";
import { ranked } from "../../tests/contenders.ts";
import { rewardsOf, sealedRule } from "./rule.ts";

const shares = (values: readonly number[], tiers?: readonly number[]): number[] =>
  rewardsOf(sealedRule(tiers ? { strategy: "tier", tiers } : undefined), ranked(...values)).map((r) => r.frac64);
const millions = (...values: number[]): number[] => values.map((m) => m * 1_000_000);

describe("tiers of 35, four of 10 and five of 5", () => {
  test.each([
    ["nobody", [], []],
    ["one takes all", [1], [1_000_000_000]],
    ["what three leave is split equally", [3, 2, 1], millions(500, 250, 250)],
    ["three equal ones share equally, the odd unit to the first", [1, 1, 1], [333_333_334, 333_333_333, 333_333_333]],
    ["ten take their tiers", [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], millions(350, 100, 100, 100, 100, 50, 50, 50, 50, 50)],
    [
      "the eleventh has nothing",
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
      millions(350, 100, 100, 100, 100, 50, 50, 50, 50, 50, 0),
    ],
    [
      "a tie across tiers shares what its places have",
      [9, 9, 8, 7, 6, 5, 4, 3, 2, 1],
      millions(225, 225, 100, 100, 100, 50, 50, 50, 50, 50),
    ],
    [
      "a tie over the tenth place shares its tier",
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 1, 1],
      millions(350, 100, 100, 100, 100, 50, 50, 50, 50, 25, 25),
    ],
  ])("%s", (_, values, expected) => expect(shares(values)).toEqual(expected));
});

describe("a contract's own tiers", () => {
  test.each([
    ["stand as they are where they are all taken", [3, 2, 1], [50, 30, 20], millions(500, 300, 200)],
    ["the winner takes all", [3, 2, 1], [100], millions(1_000, 0, 0)],
    ["below 100 % the rest is everybody's, paid place or not", [4, 3, 2, 1], [60], millions(700, 100, 100, 100)],
    ["may be fractions", [3, 2], [66.6666667, 33.3333333], [666_666_667, 333_333_333]],
    ["fewer models than tiers", [2, 1], [50, 30, 20], millions(600, 400)],
  ])("%s", (_, values, tiers, expected) => expect(shares(values, tiers)).toEqual(expected));
});
