import { type BoardRules, countedWindows, type Ranked, tierOf } from "../leaderboard.ts";
import type { ScoreMatrix } from "../matrix.ts";
import { Ranker } from "../ranks.ts";
import { cutBlocks } from "./blocks.ts";
import { Resampling } from "./resampling.ts";

export interface RankInterval {
  /** the ranks within which the model lies in 95 % of the resamples; never without its own */
  best: number;
  worst: number;
  /** the rank of the first model that this one cannot be told apart from; equal numbers are one group */
  shared: number;
}

export interface ResampleOptions {
  /** the board's instant, epoch ms */
  endMs: number;
  /** the same seed gives the same intervals; a board's id is a good one */
  seed: string;
  /** instants that one horizon spans: ⌈resolveAfter / every⌉ of the slowest scope; 1 where horizons do not overlap */
  leastInstants: number;
  resamples?: number;
}

const RESAMPLES = 1_000;
/** Two-sided: 2.5 % on each side. */
const TAIL = 0.025;

/**
 * How sure the ranks are, by a block bootstrap over rounds: blocks of neighbouring rounds are drawn anew with replacement, all models with the same draws
 * (paired), and ranked by the value that each resample gives.
 *
 * Groups: walking down the board, a model joins the group of the model that leads it when the 95 % interval of their paired difference, over the rounds both
 * have, covers 0; else it leads the next group. "Cannot be told apart" is no equivalence (a and b, b and c, but not a and c), so the leader decides: groups
 * are stretches of the board, nobody drifts down a chain, and every first of a group is surely worse than the first of the group before.
 *
 * Only models with a value and of one tier are compared. Empty where the board is ranked by a metric, which is no mean over rounds; where there are too few
 * rounds everybody of a tier may have any of its ranks.
 */
export function rankIntervals(
  ranked: readonly Ranked[],
  matrix: ScoreMatrix,
  rules: BoardRules,
  options: ResampleOptions,
): Map<string, RankInterval> {
  const windows = countedWindows(rules);
  const intervals = new Map<string, RankInterval>();
  if (windows.length === 0) return intervals;
  const blocks = cutBlocks(matrix, windows, options.endMs, options.leastInstants);
  const resampling = blocks && new Resampling(blocks, options.resamples ?? RESAMPLES, options.seed);
  const tiers = Map.groupBy(
    ranked.filter((r) => r.rankingValue !== null),
    (r) => tierOf(r, r.rankingValue),
  );
  for (const tier of tiers.values()) {
    const rows = tier.map((r) => matrix.modelIds.indexOf(r.modelId));
    const board = { tier, rows, matrix, rules };
    const known = resampling && !rows.includes(-1);
    const found = known ? intervalsOf(board, resampling) : tier.map(() => widest(tier));
    tier.forEach((r, i) => {
      intervals.set(r.modelId, found[i]!);
    });
  }
  return intervals;
}

interface TierBoard {
  tier: readonly Ranked[];
  /** matrix rows of the tier's models */
  rows: readonly number[];
  matrix: ScoreMatrix;
  rules: BoardRules;
}

const widest = (tier: readonly Ranked[]): RankInterval => {
  const best = tier[0]!.rank;
  return { best, worst: best + tier.length - 1, shared: best };
};

function intervalsOf(board: TierBoard, resampling: Resampling): RankInterval[] {
  const shared = groupsOf(board, resampling);
  const histogram = rankHistogram(board, resampling);
  const { tier } = board;
  const before = tier[0]!.rank - 1;
  return tier.map((r, i) => {
    const counts = histogram.subarray(i * tier.length, (i + 1) * tier.length);
    const [low, high] = tails(counts, resampling.size);
    return {
      best: Math.min(r.rank, before + low + 1),
      worst: Math.max(r.rank, before + high + 1),
      shared: shared[i]!,
    };
  });
}

/** Row i, column k: in how many resamples model i was k-th (0: first; equal values share the better place). */
function rankHistogram({ tier, rows, matrix, rules }: TierBoard, resampling: Resampling): Uint32Array {
  const rounds = matrix.roundIds.length;
  const sign = rules.ranking.direction === "desc" ? -1 : 1;
  const values = rows.map((row) => resampling.values(resampling.blockSums(matrix.value, rounds, row)));
  const histogram = new Uint32Array(tier.length * tier.length);
  const column = new Float64Array(tier.length);
  const ranker = new Ranker(tier.length);
  for (let s = 0; s < resampling.size; s++) {
    for (let i = 0; i < tier.length; i++) {
      const value = values[i]![s]!;
      column[i] = Number.isNaN(value) ? Number.POSITIVE_INFINITY : sign * value;
    }
    const order = ranker.order(column, tier.length);
    for (let place = 0, shared = 0; place < tier.length; place++) {
      if (place > 0 && column[order[place]!] !== column[order[place - 1]!]) shared = place;
      histogram[order[place]! * tier.length + shared]!++;
    }
  }
  return histogram;
}

/** The places between which all but 2.5 % on each side lie. */
function tails(counts: Uint32Array, size: number): [number, number] {
  const allowed = Math.floor(TAIL * size);
  let low = 0;
  for (let left = allowed; left >= counts[low]!; low++) left -= counts[low]!;
  let high = counts.length - 1;
  for (let left = allowed; left >= counts[high]!; high--) left -= counts[high]!;
  return [low, high];
}

function groupsOf({ tier, rows, matrix }: TierBoard, resampling: Resampling): number[] {
  const rounds = matrix.roundIds.length;
  let leader = 0;
  return tier.map((r, i) => {
    const same =
      r.rank === tier[leader]!.rank ||
      coversZero(resampling.values(resampling.blockSums(matrix.value, rounds, rows[leader]!, rows[i])));
    if (!same) leader = i;
    return tier[leader]!.rank;
  });
}

/** Resamples without a common round count as neither: with too few others nothing can be told. */
function coversZero(differences: Float64Array): boolean {
  const known = differences.filter((d) => !Number.isNaN(d)).sort();
  if (known.length < differences.length / 2) return true;
  const allowed = Math.floor(TAIL * known.length);
  return known[allowed]! <= 0 && known[known.length - 1 - allowed]! >= 0;
}
