import { ensembleModelId, type MemberFilter } from "../ensembles.ts";
import { pythonFloat, pythonMean, pythonSquare, pythonSum } from "./python.ts";

/** Ensembles as the public crunch-node 0.1.101 makes them, faults included; docs/vectors.md lists what ours do instead. */
export interface PeerAnswer {
  inference_output?: Readonly<Record<string, unknown>> | null;
  input_id?: string | null;
  scope_key?: string | null;
  scope?: Readonly<Record<string, unknown>> | null;
}
type Answers = ReadonlyMap<string, readonly PeerAnswer[]>;
type PeerWeights = ReadonlyMap<string, number>;

const NO_VARIANCE = 1e-12;
const NO_WEIGHT = 1e-12;

/** Inverse of the variance of what a model said, not of its errors; 1 for a model that has said too little or always the same. Throws where the peer raises. */
export function peerInverseVariance(answers: Answers): PeerWeights {
  const raw = [...answers].map(([id, own]) => [id, inverseVariance(own.flatMap(saidOrThrow))] as const);
  const total = pythonSum(raw.map(([, weight]) => weight));
  return new Map(raw.map(([id, weight]) => [id, weight / total]));
}

function inverseVariance(said: readonly number[]): number {
  if (said.length < 2) return 1;
  const mean = pythonMean(said);
  const variance = pythonMean(said.map((x) => pythonSquare(x - mean)));
  return variance < NO_VARIANCE ? 1 : 1 / variance;
}

function saidOrThrow(answer: PeerAnswer): number[] {
  const value = answer.inference_output?.value ?? null;
  if (value === null) return [];
  const number = pythonFloat(value);
  if (number === undefined) throw new TypeError(`could not convert to float: ${JSON.stringify(value)}`);
  return [number];
}

/**
 * Ids kept, in the order given. top_n takes the highest metric `value`, whatever the ranking's direction, a missing one counting as 0; a negative n takes all
 * but so many. min_metric counts a missing metric as 0, too.
 */
export function peerFilter(
  models: readonly string[],
  metrics: ReadonlyMap<string, Readonly<Record<string, number>>>,
  filter: MemberFilter | undefined,
): string[] {
  const metricOf = (id: string, name: string): number => metrics.get(id)?.[name] ?? 0;
  if (!filter) return [...models];
  if (filter.kind === "min_metric") return models.filter((id) => metricOf(id, filter.metric) >= filter.threshold);
  const descending = models // reversed twice: equal ones stay in their order, and NaN moves as it does in Python
    .toReversed()
    .sort((a, b) => metricOf(a, "value") - metricOf(b, "value"))
    .reverse();
  const best = new Set(descending.slice(0, filter.n));
  return models.filter((id) => best.has(id));
}

export interface PeerEnsembleAnswer {
  id: string;
  modelId: string;
  inputId: string;
  scopeKey: string;
  scope: Readonly<Record<string, unknown>>;
  value: number;
}

/** Weighted mean of the field `value` per (input, scope), in the order in which those first come; what is no number is left out. */
export function peerEnsembleAnswers(name: string, weights: PeerWeights, answers: Answers): PeerEnsembleAnswer[] {
  const rounds = new Map<string, { first: PeerAnswer; values: Map<string, number> }>();
  for (const [modelId, own] of answers)
    for (const answer of own) {
      const value = pythonFloat(answer.inference_output?.value ?? undefined);
      const key = JSON.stringify([answer.input_id ?? "", answer.scope_key ?? ""]);
      const round = rounds.get(key) ?? { first: answer, values: new Map() };
      rounds.set(key, round);
      if (value !== undefined) round.values.set(modelId, value);
    }
  return [...rounds.values()].flatMap(({ first, values }) => peerEnsembleAnswer(name, weights, first, values));
}

function peerEnsembleAnswer(
  name: string,
  weights: PeerWeights,
  first: PeerAnswer,
  values: ReadonlyMap<string, number>,
): PeerEnsembleAnswer[] {
  let sum = 0;
  let total = 0;
  for (const [modelId, value] of values) {
    const weight = weights.get(modelId) ?? 0;
    if (weight === 0) continue;
    sum += weight * value;
    total += weight;
  }
  if (total < NO_WEIGHT) return [];
  const modelId = ensembleModelId(name);
  const inputId = first.input_id ?? "";
  const scopeKey = first.scope_key ?? "";
  return [
    {
      id: `pred_${modelId}_${inputId}_${scopeKey}`,
      modelId,
      inputId,
      scopeKey,
      scope: first.scope ?? {},
      value: sum / total,
    },
  ];
}
