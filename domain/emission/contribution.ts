import type { Ranked } from "../emission.ts";
import type { ContributionRule } from "./rule.ts";

/** Fixed point of a component: 1 is 10^18. */
const ONE = 10n ** 18n;
/** Metrics count to so many decimals, floored: the same number in every language. */
const METRIC_UNITS = 1e12;
const WEIGHT_UNITS = 1e9;
const ALL_PERCENT_UNITS = 100 * WEIGHT_UNITS;

/**
 * The public node's contribution_weighted_emission in whole numbers: composite = rank · norm(1/rank) + contribution · norm(contribution) +
 * diversity · norm(−model_correlation), where norm(x) = (x − min) / (max − min), and 1/n for all where everybody has the same. The metrics are
 * the period's means. Each composite is raised to at least `minPercent` of their sum (that is before shares are made to sum to 100 % again, so
 * the least share is a little lower). All composites zero: equal shares. A model without a metric has nothing of that component; not known is not good.
 */
export function contributionWeights(
  { weights, minPercent }: Required<ContributionRule>,
  ranking: readonly Pick<Ranked, "rank" | "summary">[],
): bigint[] {
  const components = [
    { weight: weights.rank, scores: normalised(ranking.map(({ rank }) => ONE / BigInt(rank))) },
    { weight: weights.contribution, scores: normalised(ranking.map((m) => metric(m, "contribution", 1))) },
    { weight: weights.diversity, scores: normalised(ranking.map((m) => metric(m, "model_correlation", -1))) },
  ].map(({ weight, scores }) => ({ weight: BigInt(Math.round(weight * WEIGHT_UNITS)), scores }));
  const composites = ranking.map((_, i) => components.reduce((sum, c) => sum + c.weight * c.scores[i]!, 0n));
  const total = composites.reduce((a, b) => a + b, 0n);
  if (total === 0n) return ranking.map(() => 1n);
  const least = (total * BigInt(Math.round(minPercent * WEIGHT_UNITS))) / BigInt(ALL_PERCENT_UNITS);
  return composites.map((composite) => (composite > least ? composite : least));
}

/** null: the model has none, or it is beyond all numbers that make sense. */
function metric({ summary }: Pick<Ranked, "summary">, name: string, sign: 1 | -1): bigint | null {
  const value = summary[name];
  if (value === undefined || !Number.isFinite(value * METRIC_UNITS)) return null;
  return BigInt(sign) * BigInt(Math.floor(value * METRIC_UNITS));
}

/** From 0 for the least to ONE for the greatest; nothing for null. */
function normalised(values: readonly (bigint | null)[]): bigint[] {
  const known = values.filter((value) => value !== null).sort((a, b) => (a < b ? -1 : 1));
  const [least, most] = [known[0] ?? 0n, known.at(-1) ?? 0n];
  const flat = ONE / BigInt(Math.max(1, values.length));
  return values.map((value) =>
    value === null ? 0n : most === least ? flat : ((value - least) * ONE) / (most - least),
  );
}
