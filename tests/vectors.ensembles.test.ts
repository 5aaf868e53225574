import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type PeerAnswer, peerEnsembleAnswers, peerFilter, peerInverseVariance } from "../domain/compat/ensembles.ts";
import {
  combineOutputs,
  ensembleModelId,
  equalWeights,
  isEnsembleModel,
  type MemberFilter,
  membersOf,
} from "../domain/ensembles.ts";
import { double, isClose, type VectorCase, vectorCases } from "./vector-files.ts";

const answers = z
  .record(z.string(), z.array(z.looseObject({ input_id: z.string().nullish(), scope_key: z.string().nullish() })))
  .transform((a) => new Map(Object.entries(a)) as ReadonlyMap<string, readonly PeerAnswer[]>);
const numbers = z.record(z.string(), double);
const weighted = z.object({ predictions: answers });
const building = z.object({ name: z.string(), weights: numbers, predictions: answers });
const built = z.object({
  value: z.array(
    z.looseObject({
      id: z.string(),
      model_id: z.string(),
      input_id: z.string(),
      scope_key: z.string(),
      scope: z.record(z.string(), z.unknown()),
      inference_output: z.object({ value: double }),
    }),
  ),
});
const filter = z.union([
  z.object({ kind: z.null() }).transform(() => undefined),
  z.object({ kind: z.literal("top_n"), n: z.number() }),
  z
    .object({ kind: z.literal("min_metric"), name: z.string(), threshold: double })
    .transform(({ name, ...f }) => ({ ...f, metric: name })),
]);
const filtering = z.object({ filter, model_metrics: z.record(z.string(), numbers), models: z.array(z.string()) });
const failed = (c: VectorCase): boolean =>
  z.object({ error: z.unknown() }).safeParse(c.expected).success && !hasValue(c);
const hasValue = (c: VectorCase): boolean => Object.hasOwn(c.expected as object, "value");
const value = <T>(c: VectorCase, schema: z.ZodType<T>): T => z.object({ value: schema }).parse(c.expected).value;

const cases = vectorCases("ensembles.json");
const named = (fn: string): (readonly [string, VectorCase])[] =>
  cases.filter((c) => c.fn === fn).map((c) => [c.name, c] as const);

function expectWeights(got: ReadonlyMap<string, number>, expected: Readonly<Record<string, number>>): void {
  expect([...got.keys()]).toEqual(Object.keys(expected));
  for (const [id, weight] of got) expect(isClose(weight, expected[id]!), `${id}: ${weight}`).toBe(true);
}

describe("ensembles.json, as the peer answers (compat)", () => {
  test.each(named("inverse_variance"))("%s", (_name, c) => {
    const weights = (): ReadonlyMap<string, number> => peerInverseVariance(weighted.parse(c.input).predictions);
    if (failed(c)) expect(weights).toThrow();
    else expectWeights(weights(), value(c, numbers));
  });

  test.each(named("apply_model_filter"))("%s", (_name, c) => {
    const input = filtering.parse(c.input);
    const metrics = new Map(Object.entries(input.model_metrics));
    expect(peerFilter(input.models, metrics, input.filter as MemberFilter | undefined)).toEqual(
      value(c, z.array(z.string())),
    );
  });

  test.each(named("build_ensemble_predictions"))("%s", (_name, c) => {
    const input = building.parse(c.input);
    const got = peerEnsembleAnswers(input.name, new Map(Object.entries(input.weights)), input.predictions);
    const expected = built.parse(c.expected).value;
    expect(got.map((a) => [a.id, a.modelId, a.inputId, a.scopeKey, a.scope])).toEqual(
      expected.map((e) => [e.id, e.model_id, e.input_id, e.scope_key, e.scope]),
    );
    got.forEach((a, i) => {
      expect(isClose(a.value, expected[i]!.inference_output.value), `${a.id}: ${a.value}`).toBe(true);
    });
  });
});

/** The rounds of a case: one answer each that is a finite number, as ours are after validation. Null: it has others. */
function rounds(predictions: ReadonlyMap<string, readonly PeerAnswer[]>): Map<string, Map<string, unknown>> | null {
  const byRound = new Map<string, Map<string, unknown>>();
  for (const [modelId, own] of predictions)
    for (const answer of own) {
      const said = answer.inference_output?.value;
      if (said === undefined || said === null) continue; // an answer without a number is refused before it gets here
      const key = `${answer.input_id}_${answer.scope_key}`;
      const round = byRound.get(key) ?? new Map<string, unknown>();
      if (typeof said !== "number" || !Number.isFinite(said) || round.has(modelId)) return null;
      byRound.set(key, round.set(modelId, answer.inference_output));
    }
  return byRound;
}

describe("ensembles.json, ours", () => {
  test.each(named("equal_weight"))("%s", (_name, c) => {
    expectWeights(equalWeights([...weighted.parse(c.input).predictions.keys()]), value(c, numbers));
  });

  const combinable = named("build_ensemble_predictions").filter(([, c]) => {
    const { weights, predictions } = building.parse(c.input);
    return rounds(predictions) !== null && Object.values(weights).every((w) => w >= 1e-12);
  });
  test("most rounds can be compared", () => expect(combinable.length).toBeGreaterThan(20));
  test.each(combinable)("%s", (_name, c) => {
    const { weights, predictions } = building.parse(c.input);
    const expected = new Map(
      built.parse(c.expected).value.map((e) => [`${e.input_id}_${e.scope_key}`, e.inference_output.value]),
    );
    for (const [key, outputs] of rounds(predictions)!) {
      const got = combineOutputs(outputs, new Map(Object.entries(weights))) as { value: number } | null;
      expect(got === null, key).toBe(!expected.has(key));
      if (got) expect(isClose(got.value, expected.get(key)!), `${key}: ${got.value}`).toBe(true);
    }
  });

  /** Only where every model has the metric: a missing one is 0 to the peer, and nothing to us. A negative n means nobody to us. */
  test.each(named("apply_model_filter"))("%s", (_name, c) => {
    const input = filtering.parse(c.input);
    const rule = input.filter as MemberFilter | undefined;
    const by = rule?.kind === "min_metric" ? rule.metric : "value";
    const known = (id: string): boolean => Number.isFinite(input.model_metrics[id]?.[by]);
    const candidates = input.models.map((modelId) => ({
      modelId,
      rankingValue: input.model_metrics[modelId]?.value ?? null,
      metrics: input.model_metrics[modelId] ?? {},
    }));
    const got = membersOf(candidates, rule, "desc");
    if (rule) expect(got.every(known)).toBe(true);
    if (rule?.kind === "top_n" && rule.n < 0) expect(got).toEqual([]);
    else if (!rule || input.models.every(known)) expect(got).toEqual(value(c, z.array(z.string())));
  });

  test.each(named("ensemble_model_id"))("%s", (_name, c) => {
    expect(ensembleModelId(z.object({ name: z.string() }).parse(c.input).name)).toBe(value(c, z.string()));
  });
  test.each(named("is_ensemble_model"))("%s", (_name, c) => {
    expect(isEnsembleModel(z.object({ model_id: z.string() }).parse(c.input).model_id)).toBe(value(c, z.boolean()));
  });
});
