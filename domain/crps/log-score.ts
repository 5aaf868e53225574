import { type Mixture, pdf } from "../density/density.ts";
import { log } from "../density/elementary.ts";

/** So small a density counts as this: an outcome outside the support costs 23 nats, not everything (birdgame). */
const FLOOR = 1e-10;

/** ln(1e-10 + density): the log score of one outcome. Larger is better. */
export const robustLog = (density: number): number => log(FLOOR + density);

/** Mean log score; NaN where a density is. */
export const meanRobustLog = (densities: readonly number[]): number =>
  densities.reduce((sum, d) => sum + robustLog(d), 0) / densities.length;

/**
 * The public Condor game's score: mean density over the steps that have a return. Larger is better. It is no proper score, it
 * rewards forecasts sharper than the truth; kept for compatibility. NaN without a return.
 */
export function meanDensity(mixtures: readonly Mixture[], returns: readonly (number | null)[]): number {
  let sum = 0;
  let count = 0;
  returns.forEach((r, k) => {
    if (r === null) return;
    sum = sum + pdf(mixtures[k]!, r);
    count++;
  });
  return sum / count;
}
