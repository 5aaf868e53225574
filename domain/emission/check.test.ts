import { describe, expect, test } from "vitest";
import { ruleProblems } from "./check.ts";

const lines = (rule: unknown): string[] => ruleProblems(rule).map(({ where, what }) => `${where}: ${what}`);

describe("a rule", () => {
  test.each([
    [{ strategy: "tier" }],
    [{ strategy: "tier", tiers: [100] }],
    [{ strategy: "tier", tiers: [33.3333333, 33.3333333, 33.3333333] }],
    [{ strategy: "contribution_weighted" }],
    [{ strategy: "contribution_weighted", weights: { rank: 3, contribution: 1, diversity: 0 }, minPercent: 0 }],
  ])("%j is fine", (rule) => expect(lines(rule)).toEqual([]));

  test.each([
    [undefined, /^strategy: "undefined": write tier or contribution_weighted/],
    [{ strategy: "custom" }, /^strategy: "custom": .*or give buildEmission/],
    [{ strategy: "tier", tiers: [] }, /^tiers: write a list of percents/],
    [{ strategy: "tier", tiers: [50, -1] }, /^tiers: -1: write percents from 0 to 100/],
    [{ strategy: "tier", tiers: [50, "1"] }, /^tiers: 1: write percents/],
    [{ strategy: "tier", tiers: [0.00000001] }, /^tiers: 1e-8: .*at most 7 decimals/],
    [{ strategy: "tier", tiers: [20, 30] }, /^tiers: place 2 has more than place 1/],
    [{ strategy: "tier", tiers: [60, 50] }, /^tiers: sum to 110 %: write no more than 100/],
    [
      { strategy: "contribution_weighted", weights: { rank: 1 } },
      /^weights\.contribution: undefined: write a number from 0/,
    ],
    [
      { strategy: "contribution_weighted", weights: { rank: 0, contribution: 0, diversity: 0 } },
      /^weights: all weights are zero/,
    ],
    [{ strategy: "contribution_weighted", minPercent: 101 }, /^minPercent: 101: write a percentage/],
  ])("%j is refused", (rule, message) => expect(lines(rule)[0]).toMatch(message));
});
