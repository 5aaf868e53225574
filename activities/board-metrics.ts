import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import { weightsSince } from "../db/ensembles.ts";
import { matrixRounds, packedScores } from "../db/score-matrix.ts";
import type { ScoreMatrix } from "../domain/matrix.ts";
import type { EnsembleWeights } from "../domain/metrics/field.ts";
import { analyse } from "./analysis.ts";
import type { BoardJob, RankedBoard } from "./board-ranks.ts";
import type { BoardSums } from "./board-sums.ts";
import { unpackMatrix } from "./score-matrix.ts";

const HOUR_MS = 3_600_000;
/** Metrics look at the newest rounds of the longest window: so many, fewer where there are many models. */
const MOST_ROUNDS = 10_000;
const FEWEST_ROUNDS = 500;
const CELLS = 500_000;

/** Metrics and ranks of the board: over the rounds that models have in common, never paired by their place in a list. */
export async function boardAnalysis(
  tx: Queryable,
  competition: Competition,
  sums: BoardSums,
  board: BoardJob,
): Promise<RankedBoard> {
  const { endMs } = board.time;
  const longest = Math.max(...competition.windows.map((w) => w.hours));
  const fit = Math.floor(CELLS / Math.max(1, sums.histories.length));
  const rounds = await matrixRounds(tx, {
    since: new Date(endMs - longest * HOUR_MS),
    end: new Date(endMs),
    limit: Math.min(MOST_ROUNDS, Math.max(FEWEST_ROUNDS, fit)),
  });
  const matrix = unpackMatrix(rounds, await packedScores(tx, rounds, sums.counting));
  const ensembles = await ensembleWeights(tx, competition, matrix);
  const { metrics, compat } = competition;
  return (await analyse({ matrix, metrics, ensembles, asPeer: compat !== undefined, board })).board!;
}

/** The weights of the contract's ensembles over the rounds of a matrix, by its rows. */
export async function ensembleWeights(
  tx: Queryable,
  { ensembles = [] }: Competition,
  matrix: ScoreMatrix,
): Promise<EnsembleWeights[]> {
  const since = matrix.dueMs[0];
  if (ensembles.length === 0 || since === undefined) return [];
  const epochs = await weightsSince(
    tx,
    ensembles.map((e) => e.name),
    new Date(since),
  );
  return ensembles.map(({ name }) => ({
    name,
    epochs: epochs
      .filter((e) => e.name === name)
      .map((e) => ({
        fromDueMs: e.from_at.getTime(),
        weights: Float64Array.from(matrix.modelIds, (id) => e.weights_jsonb[id] ?? 0),
      })),
  }));
}
