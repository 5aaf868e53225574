import { describe, expect, test } from "vitest";
import { NO_RESCORES, rankDiff, rescoreProgress, type SeriesSum } from "./rescore.ts";

const part = (sum: number, count: number, answered = count) => ({ sum, count, answered });
const row = (model_id: string, before: SeriesSum["before"], after = before, scope_key = "X"): SeriesSum => ({
  ...{ model_id, scope_key, before, after, asked: 4, changed: before === after ? 0 : 4 },
});
const rules = { direction: "desc", fromMs: 0, toMs: 86_400_000 } as const;

describe("the rank diff of a range", () => {
  test("ranks by the mean of all scopes together, before and after, in the order of after", () => {
    const rows = rankDiff(
      [
        row("a", part(4, 4), part(2, 4)),
        row("a", part(0, 1), part(4, 1), "Y"),
        row("b", part(2, 4), part(8, 4)),
        row("c", part(2, 4), part(4, 2)),
      ],
      rules,
    );
    expect(rows).toEqual([
      { model_id: "b", rank_before: 2, rank_after: 1, value_before: 0.5, value_after: 2, scores: 4, changed: 4 },
      { model_id: "c", rank_before: 2, rank_after: 1, value_before: 0.5, value_after: 2, scores: 4, changed: 4 },
      { model_id: "a", rank_before: 1, rank_after: 3, value_before: 0.8, value_after: 1.2, scores: 8, changed: 8 },
    ]);
  });

  test("asc turns it round; what has no value has no rank", () => {
    const sums = [row("a", part(4, 4)), row("b", part(2, 4)), row("none", part(0, 0), part(0, 0))];
    const rows = rankDiff(sums, { ...rules, direction: "asc" });
    expect(rows.map((r) => [r.model_id, r.rank_after, r.value_after])).toEqual([
      ["b", 1, 0.5],
      ["a", 2, 1],
      ["none", null, null],
    ]);
  });

  test("a scorer that refuses what the other took costs a place below the participation floor", () => {
    const sums = [row("a", part(4, 4, 4), part(8, 4, 1)), row("b", part(2, 4))];
    const rows = rankDiff(sums, { ...rules, participationFloor: 0.5 });
    expect(rows.map((r) => [r.model_id, r.rank_before, r.rank_after])).toEqual([
      ["b", 2, 1],
      ["a", 1, 2],
    ]);
  });

  test("ensembles take no place", () => {
    const rows = rankDiff([row("__ensemble_all__", part(9, 1)), row("a", part(1, 1))], rules);
    expect(rows.map((r) => [r.model_id, r.rank_after])).toEqual([["a", 1]]);
  });
});

test.each([
  ["pending", 0, 0, 0],
  ["running", 1, 3, 33.3],
  ["running", 3, 3, 99.9],
  ["running", 4, 3, 99.9],
  ["ready", 0, 0, 100],
  ["cancelled", 1, 2, 50],
] as const)("a job that is %s with %i of %i rounds: %f %%", (status, rounds, all_rounds, percent) => {
  expect(rescoreProgress(status, { ...NO_RESCORES, rounds, all_rounds })).toBe(percent);
});
