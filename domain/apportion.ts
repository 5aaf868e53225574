/**
 * Splits `total` over `weights` in whole units, summing to exactly `total` (0 where no weight is positive): each gets its
 * share rounded down, and the units left go one each to the largest remainders, ties to the earlier one.
 */
export function apportion(total: bigint, weights: readonly bigint[]): bigint[] {
  if (total < 0n || weights.some((w) => w < 0n)) throw new RangeError("neither the total nor a weight may be negative");
  const sum = weights.reduce((a, b) => a + b, 0n);
  if (sum === 0n) return weights.map(() => 0n);
  const shares = weights.map((w) => (w * total) / sum);
  const left = total - shares.reduce((a, b) => a + b, 0n);
  const byRemainder = weights.map((w, i) => ({ i, remainder: (w * total) % sum }));
  byRemainder.sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1));
  for (const { i } of byRemainder.slice(0, Number(left))) shares[i] = shares[i]! + 1n;
  return shares;
}
