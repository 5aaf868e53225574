import { rankCorrelation } from "../ranks.ts";
import { EnsembleSums } from "./ensemble-sums.ts";
import type { MetricField } from "./field.ts";
import type { OwnSeries } from "./own-series.ts";
import { PairRanks } from "./pair-ranks.ts";

/** Spearman's correlation with the first ensemble over the rounds both answered; 0 without an ensemble or two common rounds. */
export function ensembleCorrelation(own: OwnSeries, field: MetricField): number {
  if (field.firstEnsemble < 0) return 0;
  return field.once("pairs", ({ ranks }) => new PairRanks(ranks)).compare(own.row, field.firstEnsemble).exact;
}

/**
 * What the first ensemble's information coefficient owes to a member: the ensemble's, minus that of the same ensemble (same strategy, same weights) without
 * it, over the rounds in which there is an ensemble without it. Where the member was always the only one, the whole coefficient is its own.
 * Who is no member, or an ensemble itself, contributes 0.
 */
export function contribution(own: OwnSeries, field: MetricField): number {
  if (field.firstEnsemble < 0 || own.row >= field.real) return 0;
  const { rounds } = field;
  const sums = field.once("ensemble sums", () => new EnsembleSums(field));
  const whole = field.once("whole ensemble", wholeEnsemble);
  const { left: without, right: actual, third: kept } = field.once("ensemble buffers", buffers);
  if (!sums.without(own.row, whole.columns, whole.n, without)) return 0;
  let n = 0;
  for (let i = 0; i < whole.n; i++) {
    if (Number.isNaN(without[i]!)) continue;
    without[n] = without[i]!;
    kept[n] = whole.predicted[i]!;
    actual[n++] = whole.actual[i]!;
  }
  if (n === 0) return whole.coefficient;
  if (n < whole.n) return field.spearman(kept, actual, n) - field.spearman(without, actual, n);
  const ranks = field.once("ranks without", () => new Float64Array(rounds));
  const squares = field.ranker.rank(without, n, ranks);
  return whole.coefficient - rankCorrelation(ranks, squares, whole.actualRanks, whole.actualSquares, n);
}

const buffers = ({ rounds }: MetricField) => ({
  left: new Float64Array(rounds),
  right: new Float64Array(rounds),
  third: new Float64Array(rounds),
});

interface WholeEnsemble {
  n: number;
  columns: Uint32Array;
  predicted: Float64Array;
  actual: Float64Array;
  actualRanks: Float64Array;
  actualSquares: number;
  /** the ensemble's information coefficient over all its rounds */
  coefficient: number;
}

function wholeEnsemble(field: MetricField): WholeEnsemble {
  const { matrix, rounds, firstEnsemble } = field;
  const columns = Uint32Array.from(
    [...matrix.actual.keys()].filter((r) => !Number.isNaN(matrix.predicted[firstEnsemble * rounds + r]!)),
  );
  const predicted = Float64Array.from(columns, (r) => matrix.predicted[firstEnsemble * rounds + r]!);
  const actual = Float64Array.from(columns, (r) => matrix.actual[r]!);
  const n = columns.length;
  const actualRanks = new Float64Array(n);
  const actualSquares = field.ranker.rank(actual, n, actualRanks);
  return {
    n,
    columns,
    predicted,
    actual,
    actualRanks,
    actualSquares,
    coefficient: field.spearman(predicted, actual, n),
  };
}
