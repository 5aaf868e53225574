import { describe, expect, test } from "vitest";
import { isEnsembleModel } from "../ensembles.ts";
import { type ScoreMatrix, type ScoreRow, scoreMatrix } from "../matrix.ts";
import { Random } from "../random.ts";
import { MetricField } from "./field.ts";
import { modelCorrelations } from "./model-correlation.ts";
import { computeMetrics, METRIC_NAMES } from "./registry.ts";

const ENSEMBLE = "__ensemble_main__";
type Lists = Record<string, (number | null)[]>;

/** Lists by model, place i is round i; null: no answer. Values are predicted · actual. */
function matrixOf(lists: Lists, actual: number[], scopes: string[] = [], dueMs: number[] = []): ScoreMatrix {
  const rows = Object.entries(lists).flatMap(([modelId, list]) =>
    list.flatMap((predicted, i): ScoreRow[] =>
      predicted === null
        ? []
        : [
            {
              modelId,
              roundId: `r${String(i).padStart(5, "0")}`,
              scopeKey: scopes[i] ?? "s",
              dueMs: dueMs[i] ?? i,
              predicted,
              actual: actual[i]!,
              value: predicted * actual[i]!,
            },
          ],
    ),
  );
  return scoreMatrix(rows, isEnsembleModel);
}
const only = (name: string, lists: Lists, actual: number[]): number =>
  computeMetrics([name], matrixOf(lists, actual)).get("a")![name]!;

/** Spearman by its definition: Pearson of average ranks over the places both have. */
function spearman(x: readonly (number | null)[], y: readonly (number | null)[]): number | null {
  const both = x.map((a, i) => [a, y[i]] as const).filter(([a, b]) => a !== null && b !== null && b !== undefined);
  if (both.length < 2) return null;
  const rank = (v: readonly number[]): number[] =>
    v.map((a) => v.reduce((s, b) => s + (b < a ? 1 : b === a ? 0.5 : 0), 0.5));
  const a = rank(both.map(([p]) => p!));
  const b = rank(both.map(([, p]) => p!));
  const mean = (both.length + 1) / 2;
  const sum = (f: (i: number) => number): number => both.reduce((s, _, i) => s + f(i), 0);
  const scale = Math.sqrt(sum((i) => (a[i]! - mean) ** 2) * sum((i) => (b[i]! - mean) ** 2));
  return scale === 0 ? 0 : sum((i) => (a[i]! - mean) * (b[i]! - mean)) / scale;
}

const random = new Random("metrics");
const uniform = (): number => random.next() / 2 ** 32 - 0.5;
/** Models that half follow a common signal, with gaps and, rounded, with ties. */
function field(models: number, rounds: number, gaps: number): { lists: Lists; actual: number[] } {
  const actual = Array.from({ length: rounds }, () => Math.round(uniform() * 50) / 100);
  const names = Array.from({ length: models }, (_, m) => `m${String(m).padStart(3, "0")}`);
  const lists = Object.fromEntries(
    names.map((name, m) => [
      name,
      actual.map((x) => (uniform() + 0.5 < gaps ? null : Math.round((x + (m % 5) * uniform()) * 20) / 20)),
    ]),
  );
  return { lists, actual };
}

describe("conventions", () => {
  const actual = [0.1, 0.2, 0.3, 0.4, 0.5];
  test("a constant prediction says nothing", () => {
    expect(only("ic", { a: [2, 2, 2, 2, 2] }, actual)).toBe(0);
    expect(only("ic_sharpe", { a: [2, 2, 2, 2, 2] }, actual)).toBe(0);
  });
  test("the sign of 0 is 0", () => {
    expect(only("hit_rate", { a: [0, 0, 0, 0, 0] }, actual)).toBe(0);
    expect(only("hit_rate", { a: [0, 1, -1] }, [0, 1, 1])).toBeCloseTo(2 / 3, 15);
    expect(only("mean_return", { a: [0, 0, 0, 0, 0] }, actual)).toBe(0);
  });
  test("a coefficient that is always −1 is steadily bad", () => {
    const rising = Array.from({ length: 12 }, (_, i) => i + 1);
    expect(only("ic_sharpe", { a: rising.map((x) => -x) }, rising)).toBe(-10);
    expect(only("ic_sharpe", { a: rising }, rising)).toBe(10);
  });
  test("one loss is a fall; gains never are", () => {
    expect(only("max_drawdown", { a: [1] }, [-3])).toBe(-3);
    expect(Object.is(only("max_drawdown", { a: [1, 1] }, [3, 4]), 0)).toBe(true);
  });
  test("losses too large or too small to be squared count by their size", () => {
    expect(only("sortino_ratio", { a: [1, 1, 1] }, [1e200, -1e200, 3e200])).toBeCloseTo(1, 12);
    expect(only("sortino_ratio", { a: [1, 1] }, [0.001, -1e-13])).toBe(10);
  });
  test("models that say the same have nothing of their own: rounding is no opinion", () => {
    expect(only("fnc", { a: [0.1, 0.7, 0.3], b: [0.1, 0.7, 0.3], c: [0.1, 0.7, 0.3] }, [1, 2, 3])).toBe(0);
  });
  test("nobody else: fnc is the plain coefficient, correlations and contribution are 0", () => {
    const metrics = computeMetrics(METRIC_NAMES, matrixOf({ a: [3, 1, 2] }, [3, 1, 2])).get("a")!;
    expect(metrics).toMatchObject({ fnc: 1, ic: 1, model_correlation: 0, ensemble_correlation: 0, contribution: 0 });
  });
  test("turnover compares answers of one scope, and skips gaps", () => {
    const matrix = matrixOf({ a: [1, 10, 3, null, 7, 20] }, [1, 1, 1, 1, 1, 1], ["x", "y", "x", "y", "x", "y"]);
    expect(computeMetrics(["turnover"], matrix).get("a")).toEqual({ turnover: (2 + 4 + 10) / 3 });
  });
  test("rounds of one instant fall and rise together", () => {
    const matrix = matrixOf({ a: [1, 1, 1] }, [-5, 5, -1], [], [0, 0, 1]);
    expect(computeMetrics(["max_drawdown"], matrix).get("a")).toEqual({ max_drawdown: -1 });
  });
});

describe("the registry", () => {
  test("an unknown name is a mistake of the contract", () => {
    expect(() => computeMetrics(["ic", "sharp"], matrixOf({ a: [1] }, [1]))).toThrow(
      /unknown metric sharp; known: ic,/,
    );
    expect(() => computeMetrics(["constructor"], matrixOf({ a: [1] }, [1]))).toThrow(/unknown metric/);
  });
  test("without pairs, metrics of pairs are left out", () => {
    const rows = [5, -2].map((value, i) => ({
      modelId: "a",
      roundId: `${i}`,
      scopeKey: "s",
      dueMs: i,
      predicted: null,
      actual: null,
      value,
    }));
    const metrics = computeMetrics(["ic", "max_drawdown"], scoreMatrix(rows, isEnsembleModel));
    expect(metrics.get("a")).toEqual({ max_drawdown: -2 });
  });
  test("a round without a known outcome counts for no pair, but for its score", () => {
    const matrix = matrixOf({ a: [1, 2, 3], b: [3, 1, 2] }, [1, Number.NaN, 3]);
    expect(computeMetrics(["ic", "hit_rate"], matrix).get("a")).toEqual({ ic: 1, hit_rate: 1 });
    expect(computeMetrics(["model_correlation"], matrix).get("a")).toEqual({ model_correlation: -1 });
  });
  test("no rounds at all: nothing raises", () => {
    expect(computeMetrics(METRIC_NAMES, scoreMatrix([], isEnsembleModel)).size).toBe(0);
  });
});

describe.each([0, 0.02, 0.4])("against the definitions, %d of the answers missing", (gaps) => {
  const { lists, actual } = field(12, 90, gaps);
  const matrix = matrixOf(lists, actual);
  const metrics = computeMetrics(METRIC_NAMES, matrix);
  const names = Object.keys(lists);

  test("ic", () => {
    for (const name of names) expect(metrics.get(name)!.ic).toBeCloseTo(spearman(lists[name]!, actual)!, 12);
  });
  test("model_correlation", () => {
    for (const name of names) {
      const all = names.filter((o) => o !== name).map((o) => spearman(lists[name]!, lists[o]!));
      const known = all.filter((c) => c !== null);
      expect(metrics.get(name)!.model_correlation).toBeCloseTo(known.reduce((s, c) => s + c, 0) / known.length, 12);
    }
  });
  test("fnc", () => {
    const residuals = names.map((name) =>
      lists[name]!.map((own, i) => {
        const said = names.map((o) => lists[o]![i]!).filter((x) => x !== null);
        return own === null || said.length < 2
          ? null
          : Math.round((own - said.reduce((s, x) => s + x, 0) / said.length) * 1e9);
      }),
    );
    names.forEach((name, m) => {
      const own = matrixOf({ x: residuals[m]! }, actual);
      const exact = computeMetrics(["ic"], own).get("x")!.ic!;
      expect(metrics.get(name)!.fnc).toBeCloseTo(exact, 1); // ties of residuals differ in the last bit, the rest does not
    });
  });
});

test("models without a common round do not count for each other", () => {
  const lists = { a: [1, 2, null, null, 3], b: [null, null, 1, 2, 9], c: [1, 2, 3, 4, 5] };
  const metrics = computeMetrics(["model_correlation"], matrixOf(lists, [1, 2, 3, 4, 5]));
  for (const id of ["a", "b"]) expect(metrics.get(id)!.model_correlation).toBeCloseTo(1, 12);
});

describe("where exact pairs would be too many", () => {
  const { lists, actual } = field(60, 200, 0.03);
  const shared = new MetricField(matrixOf(lists, actual));
  const exact = modelCorrelations(shared);
  test("the estimate is close to the exact mean", () => {
    const estimate = modelCorrelations(shared, 1);
    const error = Math.max(...exact.map((x, m) => Math.abs(x - estimate[m]!)));
    expect(error).toBeGreaterThan(0); // else nothing was estimated
    expect(error).toBeLessThan(0.02);
    const withoutCorrection = new MetricField(
      matrixOf(Object.fromEntries(Object.entries(lists).map(([id, l]) => [id, l.map((x) => x ?? 0)])), actual),
    );
    expect(error).toBeLessThan(
      Math.max(...exact.map((x, m) => Math.abs(x - modelCorrelations(withoutCorrection)[m]!))),
    );
  });
  test("models with the same rounds need no estimate", () => {
    const full = new MetricField(
      matrixOf(
        field(30, 50, 0).lists,
        field(30, 50, 0).actual.map(() => 1),
      ),
    );
    expect(modelCorrelations(full, 1)).toEqual(modelCorrelations(full));
  });
});

test("the order of the rows changes nothing, to the last bit", () => {
  const { lists, actual } = field(9, 40, 0.2);
  const shuffled = Object.fromEntries(Object.entries(lists).toSorted(() => uniform()));
  expect(computeMetrics(METRIC_NAMES, matrixOf(shuffled, actual))).toEqual(
    computeMetrics(METRIC_NAMES, matrixOf(lists, actual)),
  );
});

describe("ensembles", () => {
  const actual = [1, 2, 3, 4, 5, 6];
  const a = [1, 2, 3, 4, 6, 5];
  const b = [2, 2, 1, 1, 2, 1];
  const mean = a.map((x, i) => (x + b[i]!) / 2);
  const lists = { a, b, [ENSEMBLE]: mean };

  test("contribution is the ensemble's coefficient less that of the others", () => {
    const metrics = computeMetrics(["contribution"], matrixOf(lists, actual));
    expect(metrics.get("a")!.contribution).toBeCloseTo(spearman(mean, actual)! - spearman(b, actual)!, 12);
    expect(metrics.get("b")!.contribution).toBeCloseTo(spearman(mean, actual)! - spearman(a, actual)!, 12);
    expect(metrics.get(ENSEMBLE)!.contribution).toBe(0);
  });

  test("what is left without a member keeps the ties of the others", () => {
    const odd = a.map((x) => x / 3 + 0.1);
    const matrix = matrixOf(
      { a: odd, b: b.map((x) => x / 7), [ENSEMBLE]: odd.map((x, i) => (x + b[i]! / 7) / 2) },
      actual,
    );
    const ensemble = spearman(
      odd.map((x, i) => x + b[i]! / 7),
      actual,
    )!;
    expect(computeMetrics(["contribution"], matrix).get("a")!.contribution).toBeCloseTo(
      ensemble - spearman(b, actual)!,
      12,
    );
  });

  test("weights hold from their instant on; who has none contributes nothing", () => {
    const matrix = matrixOf({ ...lists, c: [9, 8, 7, 6, 5, 4] }, actual);
    const weights = (of: Record<string, number>) => Float64Array.from(matrix.modelIds, (id) => of[id] ?? 0);
    const epochs = [
      { fromDueMs: 0, weights: weights({ a: 1 }) },
      { fromDueMs: 3, weights: weights({ a: 0.25, b: 0.75 }) },
    ];
    const metrics = computeMetrics(["contribution"], matrix, [{ name: "main", epochs }]);
    // without a there is no ensemble in rounds 0 to 2
    const later = (x: number[]): number[] => x.slice(3);
    expect(metrics.get("a")!.contribution).toBeCloseTo(
      spearman(later(mean), later(actual))! - spearman(later(b), later(actual))!,
      12,
    );
    const withoutB = a; // in every round, a alone is left
    expect(metrics.get("b")!.contribution).toBeCloseTo(spearman(mean, actual)! - spearman(withoutB, actual)!, 12);
    expect(metrics.get("c")!.contribution).toBe(0);
  });

  test("the only member owns the whole coefficient", () => {
    expect(computeMetrics(["contribution"], matrixOf({ a, [ENSEMBLE]: a }, actual)).get("a")!.contribution).toBeCloseTo(
      spearman(a, actual)!,
      12,
    );
  });

  test("members are compared with the contract's first ensemble that has rounds", () => {
    const matrix = matrixOf({ ...lists, __ensemble_z__: a, __ensemble_empty__: [1] }, actual);
    const order = ["empty", "z", "main"].map((name) => ({ name, epochs: [] }));
    expect(computeMetrics(["ensemble_correlation"], matrix, order).get("a")).toEqual({ ensemble_correlation: 1 });
    expect(computeMetrics(["ensemble_correlation"], matrix).get("a")!.ensemble_correlation).toBeCloseTo(
      spearman(a, mean)!,
      12,
    );
  });
});
