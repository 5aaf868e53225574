import { isEnsembleModel } from "../domain/ensembles.ts";
import {
  type BoardRules,
  type BoardTime,
  type ModelHistory,
  type Ranked,
  rank,
  type Standing,
  standingOf,
} from "../domain/leaderboard.ts";
import type { ScoreMatrix } from "../domain/matrix.ts";
import { type RankInterval, rankIntervals } from "../domain/rank-interval/rank-intervals.ts";
import type { MetricTable } from "./analysis.ts";

/** What ranks a board, as plain data. */
export interface BoardJob {
  histories: readonly Omit<ModelHistory, "metrics">[];
  rules: BoardRules;
  time: BoardTime;
  /** of the bootstrap */
  seed: string;
  leastInstants: number;
}
export interface RankedBoard {
  rows: Ranked[];
  /** of models; ensembles have none */
  intervals: ReadonlyMap<string, RankInterval>;
}

/** Models in the order of the board. Ensembles stand behind them, each with the rank that it would have: it takes nobody's place. */
export function rankBoard(
  { histories, rules, time, seed, leastInstants }: BoardJob,
  metrics: MetricTable,
  matrix: ScoreMatrix,
): RankedBoard {
  const standings = histories.map((h) => standingOf({ ...h, metrics: metrics.get(h.modelId) ?? {} }, rules, time));
  const isReal = (s: Standing): boolean => !isEnsembleModel(s.modelId);
  const real = standings.filter(isReal);
  const models = rank(real, rules.ranking);
  const ensembles = standings
    .filter((s) => !isReal(s))
    .map((s) => rank([...real, s], rules.ranking).find((r) => r.modelId === s.modelId)!)
    .toSorted((a, b) => a.rank - b.rank || (a.modelId < b.modelId ? -1 : 1)); // never as the database gives them
  const intervals = rankIntervals(models, matrix, rules, { endMs: time.endMs, seed, leastInstants });
  return { rows: [...models, ...ensembles], intervals };
}
