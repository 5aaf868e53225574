import type { Ranked } from "../emission.ts";

/** A ten-millionth of a percent: one unit of frac64. */
const UNITS_PER_PERCENT = 10_000_000;
const ALL_UNITS = 100n * BigInt(UNITS_PER_PERCENT);

/** Percent as whole units of frac64; checkTiers refuses what is finer. */
export const percentUnits = (percent: number): bigint => BigInt(Math.round(percent * UNITS_PER_PERCENT));

/**
 * Weights by place. Models of one rank share the tiers of the places they take equally. What is left unassigned (fewer models than tiers, or
 * tiers below 100 %) is split equally among all ranked models, as the public node does: three models get 50, 25 and 25 %. Places behind the
 * last tier have nothing of their own.
 */
export function tierWeights(tiers: readonly number[], ranking: readonly Pick<Ranked, "rank">[]): bigint[] {
  const units = tiers.map(percentUnits);
  const count = BigInt(ranking.length);
  const tied = new Map<number, bigint>();
  for (const { rank } of ranking) tied.set(rank, (tied.get(rank) ?? 0n) + 1n);
  const unassigned = ALL_UNITS - sumOf(units.slice(0, ranking.length));
  // Share of a model = tiers of its rank / models of its rank + unassigned / count, over one common denominator.
  const denominator = [...tied.values(), count].reduce(leastCommonMultiple, 1n);
  return ranking.map(({ rank }) => {
    const size = tied.get(rank)!;
    const own = sumOf(units.slice(rank - 1, rank - 1 + Number(size)));
    return (own * denominator) / size + (unassigned * denominator) / count;
  });
}

const sumOf = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);
const greatestCommonDivisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : greatestCommonDivisor(b, a % b));
const leastCommonMultiple = (a: bigint, b: bigint): bigint => (b === 0n ? a : (a / greatestCommonDivisor(a, b)) * b);
