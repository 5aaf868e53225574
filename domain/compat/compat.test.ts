import { describe, expect, test } from "vitest";
import { isEnsembleModel } from "../ensembles.ts";
import { scoreMatrix } from "../matrix.ts";
import { peerMetricsOf } from "./metrics.ts";
import { pythonFloat, pythonSum } from "./python.ts";

describe("Python's numbers", () => {
  test.each([
    ["1_000.5", 1000.5],
    [" 2 ", 2],
    [".5", 0.5],
    ["5.", 5],
    ["-1e-3", -0.001],
    ["-Infinity", Number.NEGATIVE_INFINITY],
    ["NaN", Number.NaN],
    [true, 1],
    ["", undefined],
    ["1__0", undefined],
    ["0x10", undefined],
    ["1,5", undefined],
    [null, undefined],
    [[1], undefined],
  ])("float(%j)", (text, expected) => expect(pythonFloat(text)).toBe(expected));

  test("sums are compensated", () => {
    expect(pythonSum([1e16, 1, -1e16])).toBe(1);
    expect(pythonSum([Number.MAX_VALUE, Number.MAX_VALUE])).toBe(Number.POSITIVE_INFINITY);
  });
});

test("the peer's metrics of a matrix know lists, not rounds: a gap shifts what is compared with others", () => {
  const said = { a: [null, 1, 2, 3], b: [3, 1, 2, 4] };
  const rows = Object.entries(said).flatMap(([modelId, list]) =>
    list.flatMap((predicted, i) =>
      predicted === null ? [] : [{ modelId, roundId: `${i}`, scopeKey: "s", dueMs: i, predicted, actual: i, value: 1 }],
    ),
  );
  const metrics = peerMetricsOf(["model_correlation", "ic"], scoreMatrix(rows, isEnsembleModel));
  expect(metrics.get("a")!.ic).toBeCloseTo(1, 12);
  expect(metrics.get("a")!.model_correlation).toBeCloseTo(-0.5, 12); // 1, 2, 3 beside 3, 1, 2
});
