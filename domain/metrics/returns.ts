import type { OwnSeries } from "./own-series.ts";

/** Mean of the returns of following the model's sign, where a prediction of 0 takes no side and earns 0; 0 without rounds. */
export function meanReturn(own: OwnSeries): number {
  let sum = 0;
  for (let i = 0; i < own.n; i++) sum += own.signedReturns[i]!;
  return own.n > 0 ? sum / own.n : 0;
}

/** Share of rounds whose sign was right; the sign of 0 is 0, so that a model that always says 0 is right only where nothing moved. */
export function hitRate(own: OwnSeries): number {
  let hits = 0;
  for (let i = 0; i < own.n; i++) {
    const said = own.predicted[i]!;
    const happened = own.actual[i]!;
    hits += (said > 0 && happened > 0) || (said < 0 && happened < 0) || (said === 0 && happened === 0) ? 1 : 0;
  }
  return own.n > 0 ? hits / own.n : 0;
}

const SORTINO_BOUND = 10;
const WITHOUT_LOSS_SCALE = 1e6;
const NO_DOWNSIDE = 1e-12;

/**
 * Mean signed return over the root mean square of the losing ones (divided by their number, as the field's public node does).
 * Fewer than two rounds: 0. No loss, or none above 1e-12: 10 with a gain, 0 without one, the mean times a million in between.
 */
export function sortinoRatio(own: OwnSeries): number {
  if (own.n < 2) return 0;
  let losses = 0;
  let deepest = 0;
  for (let i = 0; i < own.n; i++) {
    const value = own.signedReturns[i]!;
    if (value >= 0) continue;
    losses++;
    if (value < deepest) deepest = value;
  }
  const mean = meanReturn(own);
  const downside = losses > 0 ? -deepest * Math.sqrt(squaredShares(own, deepest) / losses) : 0;
  if (downside >= NO_DOWNSIDE) return mean / downside;
  return Math.min(SORTINO_BOUND, Math.max(-SORTINO_BOUND, mean * WITHOUT_LOSS_SCALE));
}

/** Sum of (loss / deepest)² over the losses: scaled, so that the squares of huge or tiny losses neither overflow nor vanish. */
function squaredShares(own: OwnSeries, deepest: number): number {
  let sum = 0;
  for (let i = 0; i < own.n; i++) {
    const value = own.signedReturns[i]!;
    if (value < 0) sum += (value / deepest) * (value / deepest);
  }
  return sum;
}
