import { describe, expect, test } from "vitest";
import { contender } from "../../tests/contenders.ts";
import { rank } from "../emission.ts";
import { type ContributionRule, rewardsOf, sealedRule } from "./rule.ts";

type Metrics = { contribution?: number; model_correlation?: number };
/** Percent of each model, best first. */
const percents = (rows: readonly (Metrics & { value: number })[], more: Partial<ContributionRule> = {}): number[] => {
  const models = rows.map(({ value, ...metrics }, i) => contender(`m${i}`, value, { summary: metrics }));
  const rule = sealedRule({ strategy: "contribution_weighted", ...more });
  return rewardsOf(rule, rank(models, "desc")).map((r) => r.frac64 / 1e7);
};
const only = (part: "rank" | "contribution" | "diversity") => ({
  ...{ weights: { rank: 0, contribution: 0, diversity: 0, [part]: 1 }, minPercent: 0 },
});

const THREE = [
  { value: 3, contribution: -0.1, model_correlation: 0.9 },
  { value: 2, contribution: 0.1, model_correlation: 0.4 },
  { value: 1, contribution: 0, model_correlation: -0.1 },
];

describe("shares by rank, contribution and diversity", () => {
  test("by rank alone: 1/rank between 1/3 and 1", () => {
    expect(percents(THREE, only("rank"))).toEqual([80, 20, 0]);
  });
  test("by contribution alone: from the least to the greatest", () => {
    const [a, b, c] = percents(THREE, only("contribution"));
    expect([a, b, c]).toEqual([0, 66.6666667, 33.3333333]);
  });
  test("by diversity alone: the less correlated, the more", () => {
    expect(percents(THREE, only("diversity"))).toEqual([0, 33.3333333, 66.6666667]);
  });
  test("together 50, 30 and 20", () => {
    const composites = [0.5 * 1, 0.5 * 0.25 + 0.3 * 1 + 0.2 * 0.5, 0.3 * 0.5 + 0.2 * 1];
    const total = composites.reduce((x, y) => x + y, 0);
    const given = percents(THREE);
    for (const [i, share] of given.entries()) expect(share).toBeCloseTo((composites[i]! / total) * 100, 6);
  });
  test("who has nothing is raised to a percent of the sum", () => {
    expect(percents([{ value: 2 }, { value: 1 }], { ...only("rank"), minPercent: 1 })).toEqual(
      [99.00990099, 0.99009901].map((x) => expect.closeTo(x, 6)),
    );
  });
  test("everybody the same: equal shares", () => {
    expect(percents(THREE, { weights: { rank: 0, contribution: 0, diversity: 0 } })).toEqual([
      33.3333334, 33.3333333, 33.3333333,
    ]);
    expect(percents([{ value: 1 }, { value: 1 }])).toEqual([50, 50]);
  });
  test("a metric that is missing is no better than the worst", () => {
    const rows = [{ value: 1 }, { value: 1, contribution: -0.5 }, { value: 1, contribution: 0.5 }];
    expect(percents(rows, only("contribution"))).toEqual([0, 0, 100]);
  });
});
