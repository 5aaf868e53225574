import { crpsEnsemble } from "./ensemble.ts";
import { priceChanges } from "./paths.ts";

/** Block name → its length in seconds and the weight of its CRPS. */
export type VolatilityBlocks = Readonly<Record<string, readonly [seconds: number, weight: number]>>;

export interface VolatilityScore {
  score: number;
  detail: readonly { Interval: string; Increment: "Total"; CRPS: number; Weight?: number }[];
}

/**
 * CRPS of realised volatility: per block the sample standard deviation (n − 1) of the one-increment returns in basis points,
 * simulated against real, summed over the blocks of a length and weighted (crunch-synth's volatility game).
 */
export function crpsVolatility(
  simulated: readonly (readonly number[])[],
  real: readonly number[],
  increment: number,
  blocks: VolatilityBlocks,
): VolatilityScore {
  const how = { steps: 1, absolute: false, gap: false };
  const returns = priceChanges(real, how);
  const draws = simulated.map((path) => priceChanges(path, how));
  const detail: { Interval: string; Increment: "Total"; CRPS: number; Weight?: number }[] = [];
  let score = 0;
  for (const [name, [seconds, weight]] of Object.entries(blocks)) {
    const length = Math.trunc(seconds / increment);
    const observed = deviations(returns, length);
    const simulatedDeviations = draws.map((d) => deviations(d, length));
    const scores = observed.flatMap((deviation, i) =>
      Number.isNaN(deviation)
        ? []
        : [
            crpsEnsemble(
              simulatedDeviations.map((d) => d[i] ?? Number.NaN),
              deviation,
            ),
          ],
    );
    if (scores.length === 0) continue;
    const total = scores.reduce((sum, crps) => sum + crps, 0);
    detail.push({ Interval: name, Increment: "Total", CRPS: total, Weight: weight });
    score += weight * total;
  }
  detail.push({ Interval: "Vol", Increment: "Total", CRPS: score });
  return { score, detail };
}

/** Sample standard deviation of each whole block; NaN with fewer than two returns observed in it. */
function deviations(returns: readonly number[], length: number): number[] {
  const count = Math.floor(returns.length / length);
  return Array.from({ length: count }, (_, k) => {
    const block = returns.slice(k * length, (k + 1) * length).filter((x) => !Number.isNaN(x));
    if (block.length < 2) return Number.NaN;
    const mean = block.reduce((sum, x) => sum + x, 0) / block.length;
    return Math.sqrt(block.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / (block.length - 1));
  });
}
