import { type Density, mixDensities } from "./density/density.ts";

/** The id of an ensemble's virtual model. */
export const ensembleModelId = (name: string): string => `__ensemble_${name}__`;
export const isEnsembleModel = (modelId: string): boolean => modelId.startsWith("__ensemble_");

/** Running statistics of a model's errors (predicted − actual) in one scope, by Welford's method: all that is ever kept of the past. */
export interface ErrorState {
  n: number;
  mean: number;
  /** sum of squared deviations from the mean */
  m2: number;
}
export const NO_ERRORS: ErrorState = { n: 0, mean: 0, m2: 0 };

export function addError(state: ErrorState, error: number): ErrorState {
  const n = state.n + 1;
  const delta = error - state.mean;
  const mean = state.mean + delta / n;
  return { n, mean, m2: state.m2 + delta * (error - mean) };
}

/** Variance of the errors around 0, where an unbiased model's lie: a steady bias counts as error, too. */
const meanSquare = ({ n, mean, m2 }: ErrorState): number => m2 / n + mean * mean;

export interface ScopeErrors extends ErrorState {
  scopeKey: string;
  modelId: string;
}

export type Weights = ReadonlyMap<string, number>;

/** 1/N each. */
export const equalWeights = (members: readonly string[]): Weights =>
  new Map(members.map((id) => [id, 1 / members.length]));

/** Fewer errors than this say nothing of a model's variance. */
const ENOUGH = 2;
/** No model is taken for better than this share of its field's error: one lucky round would else be the whole ensemble. */
const BEST_SHARE = 1e-6;

/**
 * Weights inversely proportional to the variance of the errors, adding up to 1 (Bates and Granger, "The Combination of Forecasts", 1969, without
 * covariances). Scopes have errors of different size, so that a model's variance is taken relative to its scope's mean over the members, and the mean of
 * those by rounds. A member with fewer than two errors weighs as little as the least of the others.
 */
export function inverseVarianceWeights(members: readonly string[], errors: readonly ScopeErrors[]): Weights {
  const known = errors.filter((e) => e.n >= ENOUGH && members.includes(e.modelId));
  const relative = new Map<string, { sum: number; n: number }>();
  for (const scope of Map.groupBy(known, (e) => e.scopeKey).values()) {
    const mean = scope.reduce((sum, e) => sum + meanSquare(e), 0) / scope.length;
    for (const e of scope) {
      const of = relative.get(e.modelId) ?? { sum: 0, n: 0 };
      const share = mean > 0 ? Math.max(BEST_SHARE, meanSquare(e) / mean) : 1;
      relative.set(e.modelId, { sum: of.sum + e.n * share, n: of.n + e.n });
    }
  }
  const inverse = new Map([...relative].map(([id, { sum, n }]) => [id, n / sum]));
  const least = Math.min(...inverse.values());
  return normalised(members.map((id) => [id, inverse.get(id) ?? (Number.isFinite(least) ? least : 1)]));
}

function normalised(weights: readonly (readonly [string, number])[]): Weights {
  const sum = weights.reduce((s, [, weight]) => s + weight, 0);
  return new Map(weights.map(([id, weight]) => [id, weight / sum]));
}

export type MemberFilter = { kind: "top_n"; n: number } | { kind: "min_metric"; metric: string; threshold: number };

export interface Candidate {
  modelId: string;
  /** what the board ranks by; null: nothing yet */
  rankingValue: number | null;
  metrics: Readonly<Record<string, number | null>>;
}

/**
 * Who is in an ensemble, in ascending order of ids. top_n: the n best by the ranking value in the ranking's direction, equal ones by id; who has no value
 * is never among them. min_metric: whose metric is known and not below the threshold. Ensembles are no members.
 */
export function membersOf(
  candidates: readonly Candidate[],
  filter: MemberFilter | undefined,
  direction: "asc" | "desc",
): string[] {
  const real = candidates.filter((c) => !isEnsembleModel(c.modelId));
  return kept(real, filter, direction)
    .map((c) => c.modelId)
    .sort();
}

function kept(
  real: readonly Candidate[],
  filter: MemberFilter | undefined,
  direction: "asc" | "desc",
): readonly Candidate[] {
  if (!filter) return real;
  if (filter.kind === "min_metric")
    return real.filter((c) => (c.metrics[filter.metric] ?? Number.NaN) >= filter.threshold);
  const factor = direction === "desc" ? -1 : 1;
  return real
    .filter((c) => c.rankingValue !== null && !Number.isNaN(c.rankingValue))
    .sort((a, b) => factor * (a.rankingValue! - b.rankingValue!) || (a.modelId < b.modelId ? -1 : 1))
    .slice(0, Math.max(0, filter.n));
}

/**
 * What an ensemble says in one round: its members' outputs weighed, over the members who answered. Numbers: weighted mean. Densities: the mixture of the
 * members' densities. Objects and lists: part by part; a part that not all have, or texts that differ, are left out. Null: nobody answered, or the outputs
 * are of different kinds. The order of the map does not matter: members are added in ascending order of ids.
 */
export function combineOutputs(outputs: ReadonlyMap<string, unknown>, weights: Weights): unknown {
  const members = [...outputs.keys()].filter((id) => (weights.get(id) ?? 0) > 0).sort();
  const total = members.reduce((sum, id) => sum + weights.get(id)!, 0);
  if (members.length === 0) return null;
  const combined = combine(
    members.map((id) => outputs.get(id)),
    members.map((id) => weights.get(id)! / total),
  );
  return combined === undefined ? null : combined;
}

/** undefined: cannot be combined. */
function combine(parts: readonly unknown[], weights: readonly number[]): unknown {
  const first = parts[0];
  if (parts.every((p) => typeof p === "number")) return weightedMean(parts, weights);
  if (parts.every(isDensity)) return mix(parts, weights);
  if (parts.every(Array.isArray)) return combineLists(parts, weights);
  if (parts.every(isRecord)) return combineRecords(parts, weights);
  return parts.every((p) => p === first) ? first : undefined;
}

/** Around the first value, so that equal answers give exactly that answer. */
function weightedMean(values: readonly number[], weights: readonly number[]): number | undefined {
  const first = values[0]!;
  const mean = values.reduce((sum, value, i) => sum + weights[i]! * (value - first), first);
  return Number.isFinite(mean) ? mean : undefined;
}

function combineLists(lists: readonly unknown[][], weights: readonly number[]): unknown[] | undefined {
  const length = lists[0]!.length;
  if (lists.some((list) => list.length !== length)) return undefined;
  const items = lists[0]!.map((_, i) =>
    combine(
      lists.map((list) => list[i]),
      weights,
    ),
  );
  return items.includes(undefined) ? undefined : items;
}

function combineRecords(records: readonly Readonly<Record<string, unknown>>[], weights: readonly number[]): unknown {
  const names = Object.keys(records[0]!).filter((name) => records.every((r) => Object.hasOwn(r, name)));
  const fields = names.map(
    (name) =>
      [
        name,
        combine(
          records.map((r) => r[name]),
          weights,
        ),
      ] as const,
  );
  const found = fields.filter(([, value]) => value !== undefined);
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);
const TYPES: readonly unknown[] = ["builtin", "scipy", "statistics", "mixture"];
const isDensity = (x: unknown): x is Density =>
  isRecord(x) && TYPES.includes(x.type) && (x.type === "mixture" ? Array.isArray(x.components) : isRecord(x.params));

/** One mixture of all the leaves: mixtures inside mixtures would go deeper with each ensemble. */
function mix(densities: readonly Density[], weights: readonly number[]): Density {
  const leaves = densities.flatMap((density, i) => leavesOf(density, weights[i]!));
  return mixDensities(
    leaves.map((l) => l.density),
    leaves.map((l) => l.weight),
  );
}

/** Weights of a mixture count by their size. */
function leavesOf(density: Density, weight: number): { density: Density; weight: number }[] {
  if (density.type !== "mixture") return [{ density, weight }];
  const total = density.components.reduce((sum, c) => sum + Math.abs(c.weight), 0);
  return density.components.flatMap((c) => leavesOf(c.density, (weight * Math.abs(c.weight)) / total));
}
