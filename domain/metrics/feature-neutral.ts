import { rankCorrelation } from "../ranks.ts";
import type { MetricField } from "./field.ts";
import type { OwnSeries } from "./own-series.ts";

/** A residual below this share of what it is the difference of is rounding, not opinion. */
const ROUNDING = 1e-12;

/**
 * Information coefficient of what a model says beyond the mean of all models (itself included, ensembles not), over the rounds in which there is
 * somebody else to differ from. The mean is over those who answered the round. Nobody else anywhere: the plain coefficient.
 */
export function featureNeutralCorrelation(own: OwnSeries, field: MetricField): number {
  const { means, counts } = field.once("mean of models", meanOfModels);
  const alone = own.row < field.real ? 1 : 0;
  const residual = field.once("residual", () => new Float64Array(field.rounds));
  const actual = field.once("residual's actual", () => new Float64Array(field.rounds));
  let n = 0;
  for (let i = 0; i < own.n; i++) {
    const column = own.columns[i]!;
    if (counts[column]! <= alone) continue;
    const said = own.predicted[i]!;
    const difference = said - means[column]!;
    residual[n] =
      Math.abs(difference) <= ROUNDING * Math.max(Math.abs(said), Math.abs(means[column]!)) ? 0 : difference;
    actual[n++] = own.actual[i]!;
  }
  if (n === 0) return own.informationCoefficient();
  const ranks = field.once("residual's ranks", () => new Float64Array(field.rounds));
  const squares = field.ranker.rank(residual, n, ranks);
  if (n === own.n) {
    const happened = own.actualRanks();
    return rankCorrelation(ranks, squares, happened.ranks, happened.squares, n);
  }
  const happened = field.once("residual's actual ranks", () => new Float64Array(field.rounds));
  return rankCorrelation(ranks, squares, happened, field.ranker.rank(actual, n, happened), n);
}

function meanOfModels({ matrix, rounds, real }: MetricField): { means: Float64Array; counts: Uint32Array } {
  const means = new Float64Array(rounds);
  const counts = new Uint32Array(rounds);
  for (let m = 0; m < real; m++) {
    const start = m * rounds;
    for (let r = 0; r < rounds; r++) {
      const x = matrix.predicted[start + r]!;
      if (Number.isNaN(x)) continue;
      means[r]! += x;
      counts[r]!++;
    }
  }
  for (let r = 0; r < rounds; r++) if (counts[r]! > 0) means[r]! /= counts[r]!;
  return { means, counts };
}
