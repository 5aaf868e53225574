import type { ScoreMatrix } from "../matrix.ts";

/**
 * Deepest fall of the model's cumulated scores below their peak, which begins at 0; never positive. Rounds that were due at one instant count together,
 * so that the order of scopes plays no part.
 */
export function maxDrawdown(matrix: ScoreMatrix, row: number): number {
  const rounds = matrix.roundIds.length;
  const start = row * rounds;
  let cumulated = 0;
  let peak = 0;
  let deepest = 0;
  for (let r = 0; r < rounds; r++) {
    const value = matrix.value[start + r]!;
    if (!Number.isNaN(value)) cumulated += value;
    if (r + 1 < rounds && matrix.dueMs[r + 1] === matrix.dueMs[r]) continue;
    if (cumulated > peak) peak = cumulated;
    else if (cumulated - peak < deepest) deepest = cumulated - peak;
  }
  return deepest;
}
