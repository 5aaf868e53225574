import { crpsEnsemble } from "./ensemble.ts";

/** Interval name → seconds. Names ending in `_abs` compare prices, in `_gaps` only the first change, all others every change. */
export type ScoringIntervals = Readonly<Record<string, number>>;

export interface PathScore {
  /** sum over intervals and increments; -1: refused */
  score: number;
  detail: readonly ({ Interval: string; Increment: number | "Total"; CRPS: number } | { error: string })[];
}

const BASIS_POINTS = 10_000;

/**
 * The synth subnet's CRPS of simulated price paths against the real one, in basis points: changes over each interval, ensemble CRPS
 * of each, summed. Increments with a real price missing (NaN) are skipped; a simulated price of 0 makes the score -1.
 */
export function crpsPaths(
  simulated: readonly (readonly number[])[],
  real: readonly number[],
  increment: number,
  intervals: ScoringIntervals,
): PathScore {
  if (simulated.some((path) => path.includes(0)))
    return { score: -1, detail: [{ error: "Zero price encountered in simulation runs" }] };
  const detail: { Interval: string; Increment: number | "Total"; CRPS: number }[] = [];
  let score = 0;
  for (const [name, seconds] of Object.entries(intervals)) {
    const scores = intervalScores(simulated, real, name, Math.trunc(seconds / increment));
    if (!scores) continue;
    scores.forEach((crps, i) => {
      detail.push({ Interval: name, Increment: i + 1, CRPS: crps });
    });
    const total = scores.reduce((sum, crps) => sum + crps, 0);
    detail.push({ Interval: name, Increment: "Total", CRPS: total });
    score += total;
  }
  detail.push({ Interval: "Overall", Increment: "Total", CRPS: score });
  return { score, detail };
}

/** CRPS of every observed increment; null: the path is shorter than the interval. */
function intervalScores(
  simulated: readonly (readonly number[])[],
  real: readonly number[],
  name: string,
  steps: number,
): number[] | null {
  const absolute = name.endsWith("_abs");
  const how = { steps: absolute ? shortened(real.length, steps) : steps, absolute, gap: name.endsWith("_gaps") };
  const changes = priceChanges(real, how);
  if (changes.length === 0) return null;
  const draws = simulated.map((path) => priceChanges(path, how));
  const unit = absolute ? BASIS_POINTS / (real.at(-1) ?? Number.NaN) : 1;
  return changes.flatMap((change, i) =>
    Number.isNaN(change)
      ? []
      : [
          crpsEnsemble(
            draws.map((d) => d[i] ?? Number.NaN),
            change,
          ) * unit,
        ],
  );
}

/** Prices at a distance that leaves only the first one are looked at closer together. */
function shortened(length: number, steps: number): number {
  let shorter = steps;
  while (shorter > 1 && shorter >= length) shorter--;
  return shorter;
}

/** Every `steps`-th price: the prices themselves after the first, or the changes between them in basis points of the former. */
export function priceChanges(
  path: readonly number[],
  { steps, absolute, gap }: { steps: number; absolute: boolean; gap: boolean },
): number[] {
  const prices = path.filter((_, i) => i % steps === 0);
  const changes = prices
    .slice(1)
    .map((price, i) => (absolute ? price : ((price - prices[i]!) / prices[i]!) * BASIS_POINTS));
  return gap ? changes.slice(0, 1) : changes;
}

/** Stretches of observed values counted from 0; -1 where nothing was observed. */
export function observedBlocks(values: readonly number[]): number[] {
  let block = -1;
  return values.map((value, i) => {
    if (Number.isNaN(value)) return -1;
    if (i === 0 || Number.isNaN(values[i - 1]!)) block++;
    return block;
  });
}
