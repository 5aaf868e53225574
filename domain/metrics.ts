import { mean, spearman } from "./statistics.ts";

/** A model's scored rounds in time order, joined on (round, scope): index i is the same round in every array. */
export interface ScoredSeries {
  /** what the model said */
  predicted: Float64Array;
  /** what happened, a return */
  actual: Float64Array;
  /** the scorer's value */
  value: Float64Array;
}
export type Metric = (series: ScoredSeries) => number;

/** The scored rounds of one model as aligned arrays; missing ones have no pair and are left out. */
export function seriesOf(
  rows: readonly { predicted: number | null; actual: number | null; value: number | null }[],
): ScoredSeries {
  const paired = rows.filter((r) => r.predicted !== null && r.actual !== null && r.value !== null);
  return {
    predicted: Float64Array.from(paired, (r) => r.predicted!),
    actual: Float64Array.from(paired, (r) => r.actual!),
    value: Float64Array.from(paired, (r) => r.value!),
  };
}

const sign = (x: number): number => (x >= 0 ? 1 : -1);
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** The return of following the model's sign: sign(predicted) · actual. */
const signedReturns = ({ predicted, actual }: ScoredSeries): Float64Array =>
  actual.map((a, i) => sign(predicted[i]!) * a);

/** Information coefficient: Spearman's rank correlation with average ranks; a constant prediction has 0. */
const ic: Metric = ({ predicted, actual }) => spearman(predicted, actual);

const meanReturn: Metric = (series) => mean(signedReturns(series));

/** Share of rounds with the right sign; 0 counts as positive. */
const hitRate: Metric = ({ predicted, actual }) =>
  mean(predicted.map((p, i) => (sign(p) === sign(actual[i]!) ? 1 : 0)));

/** Deepest fall of the cumulated values below their peak, which begins at 0; never positive. */
const maxDrawdown: Metric = ({ value }) => {
  let cumulated = 0;
  let peak = 0;
  let deepest = 0;
  for (const v of value) {
    cumulated += v;
    peak = Math.max(peak, cumulated);
    deepest = Math.min(deepest, cumulated - peak);
  }
  return deepest;
};

const SORTINO_BOUND = 10;

/** Mean signed return over the root mean square of the losing ones; without losses clamped to ±10. */
const sortinoRatio: Metric = (series) => {
  const returns = signedReturns(series);
  if (returns.length < 2) return 0;
  const losses = returns.filter((r) => r < 0);
  const average = mean(returns);
  const downside = Math.sqrt(mean(losses.map((r) => r * r)));
  if (losses.length === 0 || downside < 1e-12) return clamp(average * 1e6, -SORTINO_BOUND, SORTINO_BOUND);
  return average / downside;
};

export const METRICS: Readonly<Record<string, Metric>> = {
  ic,
  mean_return: meanReturn,
  hit_rate: hitRate,
  max_drawdown: maxDrawdown,
  sortino_ratio: sortinoRatio,
};

/** The named metrics of one series; a name that is not known is an error of the contract and throws. */
export function computeMetrics(names: readonly string[], series: ScoredSeries): Record<string, number> {
  const unknown = names.filter((name) => !(name in METRICS));
  if (unknown.length > 0)
    throw new TypeError(`unknown metric ${unknown.join(", ")}; known: ${Object.keys(METRICS).join(", ")}`);
  return Object.fromEntries(names.map((name) => [name, METRICS[name]!(series)]));
}
