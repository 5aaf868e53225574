import type { ScoreMatrix } from "../matrix.ts";
import { maxDrawdown } from "./drawdown.ts";
import { contribution, ensembleCorrelation } from "./ensemble-comparison.ts";
import { featureNeutralCorrelation } from "./feature-neutral.ts";
import { type EnsembleWeights, MetricField } from "./field.ts";
import { icSharpe } from "./ic-sharpe.ts";
import { modelCorrelations } from "./model-correlation.ts";
import { OwnSeries } from "./own-series.ts";
import { hitRate, meanReturn, sortinoRatio } from "./returns.ts";
import { turnover } from "./turnover.ts";

type Metric = (own: OwnSeries, field: MetricField) => number;

/**
 * Every metric by its name. All are computed over the rounds that a model answered and whose truth is known, and are 0 where there is too little
 * to say anything; each function's comment has its formula and its conventions.
 */
const METRICS = {
  ic: (own) => own.informationCoefficient(),
  ic_sharpe: icSharpe,
  mean_return: meanReturn,
  hit_rate: hitRate,
  model_correlation: (own, field) => field.once("model correlations", modelCorrelations)[own.row]!,
  max_drawdown: (own, field) => maxDrawdown(field.scored, own.row),
  sortino_ratio: sortinoRatio,
  turnover,
  fnc: featureNeutralCorrelation,
  ensemble_correlation: ensembleCorrelation,
  contribution,
} satisfies Record<string, Metric>;
export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];
/** Those that need nothing but the scorer's value. */
const BY_VALUE: ReadonlySet<string> = new Set<MetricName>(["max_drawdown"]);

/** Throws TypeError for names that are no metrics: a mistake of the contract. */
function checkMetricNames(names: readonly string[]): asserts names is readonly MetricName[] {
  const unknown = names.filter((name) => !Object.hasOwn(METRICS, name));
  if (unknown.length > 0)
    throw new TypeError(`unknown metric ${unknown.join(", ")}; known: ${METRIC_NAMES.join(", ")}`);
}

/**
 * The named metrics of every model. Where no score has a pair (predicted, actual), as with densities, those that compare pairs are left out.
 * Throws TypeError for an unknown name.
 */
export function computeMetrics(
  names: readonly string[],
  matrix: ScoreMatrix,
  ensembles: readonly EnsembleWeights[] = [],
): Map<string, Record<string, number>> {
  checkMetricNames(names);
  const field = new MetricField(matrix, ensembles);
  const paired = field.matrix.predicted.some((x) => !Number.isNaN(x));
  const wanted = names.filter((name) => paired || BY_VALUE.has(name));
  const own = new OwnSeries(field);
  return new Map(
    matrix.modelIds.map((id, row) => {
      own.load(row);
      return [id, Object.fromEntries(wanted.map((name) => [name, (METRICS[name] as Metric)(own, field)]))];
    }),
  );
}
