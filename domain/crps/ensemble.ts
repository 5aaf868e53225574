/**
 * CRPS of m draws: mean |xᵢ − y| − 1/(2m²) Σᵢⱼ |xᵢ − xⱼ|, the second sum from the sorted draws in O(m log m). Draws that are NaN do not
 * count; without a draw, or with an infinite one, the answer is NaN. Lower is better.
 */
export function crpsEnsemble(members: readonly number[], observation: number): number {
  const { error, spread } = ensembleTerms(members, observation);
  return error - 0.5 * spread;
}

/** Fair CRPS (Ferro 2014): what the CRPS would be with infinitely many draws; pairs are averaged over m(m−1). */
export const crpsEnsembleFair = (members: readonly number[], observation: number): number =>
  adjusted(members, observation, Number.POSITIVE_INFINITY);

/** CRPS adjusted to what `size` draws of the same distribution would get. */
export const crpsEnsembleAdjusted = (members: readonly number[], observation: number, size = 200): number =>
  adjusted(members, observation, size);

function adjusted(members: readonly number[], observation: number, size: number): number {
  const { error, spread, count } = ensembleTerms(members, observation);
  if (count < 2) return Number.NaN;
  return error - 0.5 * ((spread * count) / (count - 1)) * (1 - 1 / size);
}

/** error = mean |xᵢ − y|, spread = mean |xᵢ − xⱼ| over all m² pairs. */
function ensembleTerms(members: readonly number[], observation: number) {
  const sorted = Float64Array.from(members.filter((x) => !Number.isNaN(x))).sort();
  const count = sorted.length;
  let error = 0;
  let pairs = 0;
  for (let i = 0; i < count; i++) {
    error += Math.abs(sorted[i]! - observation);
    pairs += (2 * i - count + 1) * sorted[i]!;
  }
  return { error: error / count, spread: (2 * pairs) / (count * count), count };
}

/** CRPS of weighted draws, Σ wᵢ|xᵢ − y| − ½ Σᵢⱼ wᵢwⱼ|xᵢ − xⱼ|; weights are normalised first. */
export function crpsEnsembleWeighted(
  members: readonly number[],
  weights: readonly number[],
  observation: number,
): number {
  const order = members.map((x, i) => ({ x, w: weights[i] ?? 0 })).filter(({ x }) => !Number.isNaN(x));
  order.sort((a, b) => a.x - b.x);
  const total = order.reduce((sum, { w }) => sum + w, 0);
  let error = 0;
  let half = 0;
  let below = 0;
  for (const { x, w } of order) {
    const share = w / total;
    error += share * Math.abs(x - observation);
    half += share * (2 * below + share - 1) * x; // ½ Σᵢⱼ from the sorted draws: each counts by the weight below minus that above
    below += share;
  }
  return error - half;
}
