import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { PeerContext, PeerPrediction, PeerScore } from "../domain/compat/lists.ts";
import { peerCompute, peerMetric } from "../domain/compat/metrics.ts";
import { isEnsembleModel } from "../domain/ensembles.ts";
import { type ScoreMatrix, type ScoreRow, scoreMatrix } from "../domain/matrix.ts";
import { computeMetrics, METRIC_NAMES, type MetricName } from "../domain/metrics/registry.ts";
import { double, isClose, vectorCases } from "./vector-files.ts";

const predictions = z.array(
  z.looseObject({ inference_output: z.record(z.string(), z.unknown()).nullable().optional() }),
) as unknown as z.ZodType<PeerPrediction[]>;
const scores = z.array(
  z.looseObject({ result: z.record(z.string(), z.unknown()).nullable().optional() }),
) as unknown as z.ZodType<PeerScore[]>;
const metricsInput = z.object({
  metrics: z.array(z.string()).optional(),
  predictions,
  scores,
  context: z.object({
    model_id: z.string(),
    all_model_predictions: z.record(z.string(), predictions),
    ensemble_predictions: z.record(z.string(), predictions),
  }),
});
const answer = z.union([z.object({ value: double }), z.object({ error: z.looseObject({}) })]);
const expectations = z.record(z.string(), answer);

type MetricsInput = z.output<typeof metricsInput>;
const contextOf = ({ context }: MetricsInput): PeerContext => ({
  modelId: context.model_id,
  models: new Map(Object.entries(context.all_model_predictions)),
  ensembles: new Map(Object.entries(context.ensemble_predictions)),
});

const all = vectorCases("metrics.json");
const metricCases = all
  .filter((c) => c.fn === "metrics")
  .map((c) => ({
    name: c.name,
    input: metricsInput.parse(c.input),
    expected: expectations.parse(c.expected),
    notPortable: z.array(z.string()).default([]).parse(c.not_portable),
  }));

describe("metrics.json, as the peer answers (compat)", () => {
  test("there are cases", () => expect(metricCases.length).toBeGreaterThan(20));
  test.each(metricCases.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    for (const name of METRIC_NAMES.filter((n) => !c.notPortable.includes(n))) {
      const expected = c.expected[name]!;
      const compute = (): number => peerMetric(name, c.input.predictions, c.input.scores, contextOf(c.input));
      if ("error" in expected) expect(compute, name).toThrow();
      else expect(isClose(compute(), expected.value), `${name}: ${compute()} for ${expected.value}`).toBe(true);
    }
  });

  const registry = all.filter((c) => c.fn === "registry.compute");
  test.each(registry.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    const input = metricsInput.parse(c.input);
    const expected = z.object({ value: z.record(z.string(), double) }).parse(c.expected).value;
    const got = peerCompute(input.metrics ?? [], input.predictions, input.scores, contextOf(input));
    expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected)) expect(isClose(got[name]!, value), name).toBe(true);
  });

  test.each(all.filter((c) => c.fn === "registry.available").map((c) => [c.name, c] as const))("%s", (_name, c) => {
    expect([...METRIC_NAMES].sort()).toEqual(z.object({ value: z.array(z.string()) }).parse(c.expected).value);
  });
});

/** The lists of a case as rounds: place i of each list is round i. Null: something in them is no number, so that the peer's places and rounds are not the same. */
function asMatrix(input: MetricsInput): { matrix: ScoreMatrix; lists: Map<string, number[]>; actual: number[] } | null {
  const actual = input.scores.map((s) => s.result?.actual_return);
  const value = input.scores.map((s) => s.result?.value);
  const ensembles = Object.entries(input.context.ensemble_predictions).map(
    ([n, p]) => [`__ensemble_${n}__`, p] as const,
  );
  const others = Object.entries(input.context.all_model_predictions).filter(([id]) => !isEnsembleModel(id));
  const given = new Map([...others, ...ensembles, [input.context.model_id, input.predictions] as const]);
  const lists = new Map([...given].map(([id, p]) => [id, p.map((x) => x.inference_output?.value)]));
  const everything = [...lists.values()].flat().concat(actual, value);
  if (!everything.every((x): x is number => typeof x === "number" && Number.isFinite(x))) return null;
  const rows = [...(lists as Map<string, number[]>)].flatMap(([modelId, list]) =>
    list.map((predicted, i): ScoreRow => {
      const known = i < actual.length;
      return {
        modelId,
        roundId: `round-${String(i).padStart(6, "0")}`,
        scopeKey: "s",
        dueMs: i,
        predicted,
        actual: known ? (actual[i] as number) : null,
        value: known ? (value[i] as number) : null,
      };
    }),
  );
  return {
    matrix: scoreMatrix(rows, isEnsembleModel),
    lists: lists as Map<string, number[]>,
    actual: actual as number[],
  };
}

const same = (x: readonly unknown[], y: readonly unknown[]): boolean =>
  x.length === y.length && x.every((v, i) => v === y[i]);
const hasTies = (x: readonly number[]): boolean => new Set(x).size < x.length;

/** The peer takes the plain mean of the others for every ensemble without a member; that is so only for an ensemble of equal weights. */
function isMeanOfModels(lists: ReadonlyMap<string, readonly number[]>): boolean {
  const first = [...lists].find(([id]) => isEnsembleModel(id))?.[1];
  const models = [...lists].filter(([id]) => !isEnsembleModel(id)).map(([, l]) => l);
  return first?.every((x, i) => isClose(x, models.reduce((sum, l) => sum + l[i]!, 0) / models.length)) ?? false;
}

/** Why ours may give another answer than the peer: docs/vectors.md has a line for each. Null: it must be the same. */
function deliberateDifference(name: MetricName, c: (typeof metricCases)[number]): string | null {
  const joined = asMatrix(c.input);
  if (joined === null) return "not a finite number in every place";
  const { lists, actual } = joined;
  const { context } = c.input;
  const own = lists.get(context.model_id)!;
  if (new Set([...lists.values()].map((l) => l.length).concat(actual.length)).size > 1)
    return "lists of different lengths";
  if ("error" in c.expected[name]!) return "the peer raises";
  const zeros = own.includes(0) || actual.includes(0);
  if (["hit_rate", "mean_return", "sortino_ratio"].includes(name) && zeros) return "the sign of 0 is 0";
  const smallest = Math.min(...own.map((p, i) => (p >= 0 ? actual[i]! : -actual[i]!)));
  if (name === "sortino_ratio" && smallest < 0 && smallest > -1e-12) return "a loss below 1e-12";
  if (name === "max_drawdown" && own.length < 2) return "one loss is a fall";
  if (name === "ic_sharpe" && Math.abs((c.expected[name] as { value: number }).value) === 10)
    return "the sign of a steady IC";
  if (["mean_return", "hit_rate", "turnover", "max_drawdown", "sortino_ratio"].includes(name)) return null;
  if ([...lists.values(), actual].some(hasTies)) return "ties have average ranks";
  if (isEnsembleModel(context.model_id)) return "an ensemble compared with another of its name";
  if (name === "fnc" && [...lists].some(([id, l]) => id !== context.model_id && same(l, own)))
    return "rounding is no opinion";
  const listed = context.all_model_predictions[context.model_id]?.map((p) => p.inference_output?.value);
  const joins = listed !== undefined && same(listed, own);
  if (!joins && ["fnc", "model_correlation", "contribution"].includes(name))
    return "the context has other answers of this model";
  return name === "contribution" && !isMeanOfModels(lists) ? "leave one out of the ensemble itself" : null;
}

describe("metrics.json, ours", () => {
  const compared = METRIC_NAMES.flatMap((name) =>
    metricCases.map((c) => ({ name, c, why: deliberateDifference(name, c) })),
  );

  test.each(METRIC_NAMES)("%s is compared where both mean the same", (name) => {
    expect(compared.filter((x) => x.name === name && x.why === null).length).toBeGreaterThan(10);
  });

  test.each(metricCases.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    const joined = asMatrix(c.input);
    if (joined === null || joined.matrix.roundIds.length === 0) return;
    const order = Object.keys(c.input.context.ensemble_predictions).map((n) => ({ name: n, epochs: [] }));
    const got = computeMetrics(METRIC_NAMES, joined.matrix, order).get(c.input.context.model_id) ?? {};
    for (const name of METRIC_NAMES) {
      const expected = c.expected[name]!;
      if (deliberateDifference(name, c) !== null || "error" in expected) {
        expect(Number.isFinite(got[name] ?? 0), name).toBe(true);
        continue;
      }
      expect(isClose(got[name]!, expected.value), `${name}: ${got[name]} for ${expected.value}`).toBe(true);
    }
  });
});
