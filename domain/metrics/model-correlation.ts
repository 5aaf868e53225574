import type { MetricField } from "./field.ts";
import { PairRanks } from "./pair-ranks.ts";
import { ABSENT, type RankTable } from "./rank-table.ts";

/** Pairs of models with different gaps are compared exactly as long as there are no more than this many cells of them in all. */
const EXACT_CELLS = 5e7;
/** Beyond that, each model is compared exactly with at least this many others. */
const LEAST_NEIGHBOURS = 8;

/** Per model: sums over the others compared exactly. */
interface Corrections {
  /** exact minus approximate correlation */
  difference: Float64Array;
  /** others without two common rounds, which do not count */
  apart: Float64Array;
  /** how many were compared, those without anything to correct included */
  neighbours: Float64Array;
}

/**
 * Mean Spearman correlation with each other model that is not an ensemble and has two answers, over the rounds both answered; others without two common
 * rounds are left out, a constant model correlates 0 with everybody. One value a matrix row; 0 where there is nobody else.
 *
 * The sum over all others is one product with the sum of all standardised ranks, O(models · rounds), which is exact for models that answered the same rounds.
 * For a pair with different gaps the product counts a gap as the middle rank; the exact correlation over the common rounds, ranked anew, replaces it. Where the
 * pairs would be more than `EXACT_CELLS`, each model is compared exactly with evenly spread others and the mean of those differences stands for the rest
 * (a difference estimator: unbiased over the spread, and the differences are small where gaps are few).
 */
export function modelCorrelations(field: MetricField, exactCells = EXACT_CELLS): Float64Array {
  const { ranks: table, real, models } = field;
  const others = Array.from({ length: real }, (_, m) => m).filter((m) => table.counts[m]! >= 2);
  const sum = standardisedSum(table, others);
  const corrections = correct(field, others, exactCells);
  const result = new Float64Array(models);
  for (let m = 0; m < models; m++) {
    if (table.counts[m]! < 2) continue;
    const self = m < real ? 1 : 0;
    const count = others.length - self;
    const neighbours = corrections.neighbours[m]!;
    const scale = neighbours > 0 ? count / neighbours : 0;
    const approximate = productWith(table, m, sum) - (table.squares[m]! > 0 ? self : 0);
    const counted = count - scale * corrections.apart[m]!;
    if (counted < 0.5) continue;
    result[m] = Math.max(-1, Math.min(1, (approximate + scale * corrections.difference[m]!) / counted));
  }
  return result;
}

/** Per round the sum of the models' standardised ranks (mean 0, length 1); a gap is 0. */
function standardisedSum(table: RankTable, others: readonly number[]): Float64Array {
  const sum = new Float64Array(table.rounds);
  for (const m of others) {
    if (table.squares[m] === 0) continue;
    const length = Math.sqrt(table.squares[m]!);
    const row = table.row(m);
    for (let r = 0; r < row.length; r++) if (row[r] !== ABSENT) sum[r]! += row[r]! / length;
  }
  return sum;
}

function productWith(table: RankTable, m: number, sum: Float64Array): number {
  if (table.squares[m] === 0) return 0;
  const row = table.row(m);
  let product = 0;
  for (let r = 0; r < row.length; r++) if (row[r] !== ABSENT) product += row[r]! * sum[r]!;
  return product / Math.sqrt(table.squares[m]!);
}

function correct(field: MetricField, others: readonly number[], exactCells: number): Corrections {
  const { ranks: table, models, real, rounds } = field;
  const corrections: Corrections = {
    difference: new Float64Array(models),
    apart: new Float64Array(models),
    neighbours: new Float64Array(models),
  };
  if (new Set(table.presence).size <= 1) return corrections;
  const pairs = new PairRanks(table);
  const affordable = Math.max(LEAST_NEIGHBOURS, Math.floor((2 * exactCells) / Math.max(1, models * rounds)));
  for (const step of spread(others.length, affordable))
    others.forEach((a, i) => {
      const j = (i + step) % others.length;
      if (2 * step === others.length && j < i) return; // half-way round the circle each pair comes twice
      take(corrections, pairs, table, [a, others[j]!], true);
    });
  const stride = Math.max(1, Math.floor(others.length / affordable));
  for (let m = real; m < models; m++)
    for (let i = 0; i < others.length; i += stride) take(corrections, pairs, table, [m, others[i]!], false);
  return corrections;
}

/** Distances on the circle of `count` models whose pairs are compared: all of them, or as many as give each model `neighbours` others, evenly apart. */
function spread(count: number, neighbours: number): number[] {
  const all = Math.floor(count / 2);
  const wanted = Math.min(all, Math.ceil(neighbours / 2));
  return [...new Set(Array.from({ length: wanted }, (_, k) => 1 + Math.floor((k * all) / wanted)))];
}

/** Adds the pair to the first model's sums, and to the second's where `both`. Models with the same rounds have nothing to correct. */
function take(into: Corrections, pairs: PairRanks, table: RankTable, [a, b]: [number, number], both: boolean): void {
  const gaps = table.presence[a] !== table.presence[b];
  const { common, exact, approximate } = gaps ? pairs.compare(a, b) : { common: 2, exact: 0, approximate: 0 };
  for (const m of both ? [a, b] : [a]) {
    into.neighbours[m]!++;
    into.difference[m]! += exact - approximate;
    into.apart[m]! += common < 2 ? 1 : 0;
  }
}
