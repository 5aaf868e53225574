import { describe, expect, test } from "vitest";
import {
  addError,
  combineOutputs,
  type ErrorState,
  equalWeights,
  inverseVarianceWeights,
  membersOf,
  NO_ERRORS,
  type ScopeErrors,
} from "./ensembles.ts";

const stateOf = (errors: readonly number[]): ErrorState => errors.reduce(addError, NO_ERRORS);
const errorsOf = (modelId: string, errors: readonly number[], scopeKey = "s"): ScopeErrors => ({
  scopeKey,
  modelId,
  ...stateOf(errors),
});
const weightsOf = (members: string[], errors: ScopeErrors[]) =>
  Object.fromEntries(inverseVarianceWeights(members, errors));

test("running errors are those of the whole history", () => {
  const errors = [0.5, -1, 2, 0.25, 0.25];
  const { n, mean, m2 } = stateOf(errors);
  const average = errors.reduce((s, e) => s + e, 0) / 5;
  expect(n).toBe(5);
  expect(mean).toBeCloseTo(average, 14);
  expect(m2).toBeCloseTo(
    errors.reduce((s, e) => s + (e - average) ** 2, 0),
    14,
  );
});

describe("inverse variance of errors", () => {
  test("half the error, four times the weight", () => {
    const weights = weightsOf(["a", "b"], [errorsOf("a", [1, -1]), errorsOf("b", [2, -2])]);
    expect(weights.a).toBeCloseTo(0.8, 12);
    expect(weights.b).toBeCloseTo(0.2, 12);
  });
  test("a steady bias is an error: who always says 5 gains nothing by it", () => {
    const weights = weightsOf(["steady", "noisy"], [errorsOf("steady", [5, 5, 5]), errorsOf("noisy", [1, -1, 1])]);
    expect(weights.noisy).toBeGreaterThan(0.9);
  });
  test("each scope has its own scale", () => {
    const weights = weightsOf(
      ["a", "b"],
      [
        errorsOf("a", [100, -100], "BTC"),
        errorsOf("b", [200, -200], "BTC"),
        errorsOf("a", [2, -2], "SOL"),
        errorsOf("b", [1, -1], "SOL"),
      ],
    );
    expect(weights.a).toBeCloseTo(0.5, 12);
  });
  test("a newcomer weighs as little as the least; all new, all equal", () => {
    expect(weightsOf(["a", "b", "new"], [errorsOf("a", [1, 1]), errorsOf("b", [2, 2]), errorsOf("new", [0])])).toEqual(
      expect.objectContaining({
        a: expect.closeTo(4 / 6, 12),
        b: expect.closeTo(1 / 6, 12),
        new: expect.closeTo(1 / 6, 12),
      }),
    );
    expect(weightsOf(["a", "b"], [])).toEqual({ a: 0.5, b: 0.5 });
  });
  test("who was never wrong does not divide by zero", () => {
    expect(weightsOf(["a", "b"], [errorsOf("a", [0, 0]), errorsOf("b", [1, 1])]).a).toBeGreaterThan(0.99);
    expect(weightsOf(["a", "b"], [errorsOf("a", [0, 0]), errorsOf("b", [0, 0])])).toEqual({ a: 0.5, b: 0.5 });
  });
  test("others' errors play no part, and no members have no weights", () => {
    expect(weightsOf(["a"], [errorsOf("a", [1, 1]), errorsOf("gone", [1e9, 1e9])])).toEqual({ a: 1 });
    expect([weightsOf([], []), Object.fromEntries(equalWeights([]))]).toEqual([{}, {}]);
  });
});

describe("members", () => {
  const candidate = (modelId: string, rankingValue: number | null, ic?: number) => ({
    modelId,
    rankingValue,
    metrics: ic === undefined ? {} : { ic },
  });
  const all = [
    candidate("d", 1, 0.2),
    candidate("c", null),
    candidate("b", 3, 0.1),
    candidate("a", 1),
    candidate("__ensemble_x__", 9, 1),
  ];
  test.each([
    ["everybody but ensembles", undefined, "desc", ["a", "b", "c", "d"]],
    ["the highest", { kind: "top_n", n: 2 }, "desc", ["a", "b"]],
    ["the lowest where lower is better, equal ones by id", { kind: "top_n", n: 1 }, "asc", ["a"]],
    ["who has no value is never among the best", { kind: "top_n", n: 9 }, "asc", ["a", "b", "d"]],
    ["nobody", { kind: "top_n", n: 0 }, "desc", []],
    [
      "a metric that is not known is not good enough",
      { kind: "min_metric", metric: "ic", threshold: -1 },
      "desc",
      ["b", "d"],
    ],
    ["the threshold itself is", { kind: "min_metric", metric: "ic", threshold: 0.2 }, "desc", ["d"]],
  ] as const)("%s", (_name, filter, direction, expected) => {
    expect(membersOf(all, filter, direction)).toEqual(expected);
    expect(membersOf(all.toReversed(), filter, direction)).toEqual(expected);
  });
});

describe("combined outputs", () => {
  const weights = new Map([
    ["a", 1],
    ["b", 3],
    ["zero", 0],
  ]);
  const combine = (outputs: Record<string, unknown>) => combineOutputs(new Map(Object.entries(outputs)), weights);
  const normal = (loc: number) => ({ type: "builtin", name: "norm", params: { loc, scale: 1 } });

  test("numbers: the weighted mean of who answered", () => {
    expect(combine({ a: { value: 1 }, b: { value: 5 }, zero: { value: 99 }, unknown: { value: 99 } })).toEqual({
      value: 4,
    });
    expect(combine({ b: { value: 5 } })).toEqual({ value: 5 });
    expect(combine({ b: 5, a: 1 })).toBe(4);
  });
  test("equal answers give that answer to the last bit, in any order", () => {
    expect(combine({ a: { value: 0.1 }, b: { value: 0.1 } })).toEqual({ value: 0.1 });
    expect(combine({ b: { value: 0.7 }, a: { value: 0.1 } })).toEqual(
      combine({ a: { value: 0.1 }, b: { value: 0.7 } }),
    );
  });
  test("densities: a mixture of all leaves, mixtures inside mixtures dissolved", () => {
    const mixture = {
      type: "mixture",
      components: [
        { density: normal(1), weight: 2 },
        { density: normal(2), weight: -2 },
      ],
    };
    expect(combine({ a: normal(0), b: mixture })).toEqual({
      type: "mixture",
      components: [
        { density: normal(0), weight: 0.25 },
        { density: normal(1), weight: 0.375 },
        { density: normal(2), weight: 0.375 },
      ],
    });
  });
  test("lists of densities, step by step", () => {
    const said = combine({ a: { steps: [normal(0), normal(1)] }, b: { steps: [normal(2), normal(3)] } }) as {
      steps: unknown[];
    };
    expect(said.steps).toHaveLength(2);
    expect(said.steps[1]).toEqual({
      type: "mixture",
      components: [
        { density: normal(1), weight: 0.25 },
        { density: normal(3), weight: 0.75 },
      ],
    });
  });
  test("what not all say, or say in different words, is left out", () => {
    expect(
      combine({ a: { value: 1, note: "x", unit: "bp" }, b: { value: 1, extra: 2, unit: "bp", note: "y" } }),
    ).toEqual({ value: 1, unit: "bp" });
  });
  test("nobody, different kinds, different lengths, an overflow: nothing", () => {
    expect(combine({})).toBeNull();
    expect(combine({ zero: { value: 1 } })).toBeNull();
    expect(combine({ a: 1, b: normal(0) })).toBeNull();
    expect(combine({ a: [1], b: [1, 2] })).toBeNull();
    expect(combine({ a: -Number.MAX_VALUE, b: Number.MAX_VALUE })).toBeNull();
  });
});
