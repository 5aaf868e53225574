import { type Selectable, sql } from "kysely";
import { inputId } from "../domain/ids.ts";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions } from "./partitions.ts";
import { moveRound, type RoundRow } from "./rounds.ts";
import type { Scores } from "./schema.ts";

export interface NewScore {
  id: string;
  predictionId: string;
  modelId: string;
  scorerHash: string;
  result: Record<string, unknown>;
  value: number | null;
  pair: { predicted: number; actual: number } | null;
  success: boolean;
  failedReason: string | null;
  /** the scorer refused this prediction however often it was asked */
  deadLetter?: { error: string; attempts: number };
}

/**
 * All scores of a round, its predictions' statuses and its own, in one transaction; each prediction in its own savepoint, so that
 * one that the database refuses is FAILED with the reason and the others stand. False: the round had been scored before.
 */
export async function storeScores(db: Database, round: RoundRow, scores: readonly NewScore[]): Promise<boolean> {
  await ensurePartitions(db, "scores", round.due_at.getTime(), round.due_at.getTime());
  return db.transaction().execute(async (tx) => {
    if (!(await moveRound(tx, round.id, "RESOLVED", "SCORED"))) return false;
    for (const score of scores)
      await inSavepoint(
        tx,
        () => storeScore(tx, round, score),
        (error) => failPrediction(tx, round, score, { error, attempts: 1 }),
      );
    await tx.updateTable("inputs").set({ status: "RESOLVED" }).where("id", "=", inputId(round.id)).execute();
    return true;
  });
}

async function inSavepoint(
  tx: Queryable,
  work: () => Promise<void>,
  refused: (error: string) => Promise<void>,
): Promise<void> {
  await sql`savepoint one_prediction`.execute(tx);
  try {
    await work();
    await sql`release savepoint one_prediction`.execute(tx);
  } catch (error) {
    await sql`rollback to savepoint one_prediction`.execute(tx);
    await refused(String(error));
  }
}

async function storeScore(tx: Queryable, round: RoundRow, score: NewScore): Promise<void> {
  if (score.deadLetter) return failPrediction(tx, round, score, score.deadLetter);
  await tx
    .insertInto("scores")
    .values({
      id: score.id,
      prediction_id: score.predictionId,
      round_id: round.id,
      model_id: score.modelId,
      due_at: round.due_at,
      scorer_hash: score.scorerHash,
      result_jsonb: JSON.stringify(score.result),
      value: score.value,
      predicted: score.pair?.predicted ?? null,
      actual: score.pair?.actual ?? null,
      success: score.success,
      failed_reason: score.failedReason,
      resolved_at: round.resolve_at,
      window_end: null,
    })
    .onConflict((c) => c.doNothing())
    .execute();
  if (score.success) await setStatus(tx, round, score.modelId, "SCORED", null);
}

const setStatus = (
  tx: Queryable,
  round: RoundRow,
  modelId: string,
  status: "SCORED" | "FAILED",
  reason: string | null,
) =>
  tx
    .updateTable("predictions")
    .set({ status, ...(reason === null ? {} : { reason }) })
    .where("round_id", "=", round.id)
    .where("model_id", "=", modelId)
    .where("due_at", "=", round.due_at)
    .where("status", "=", "PENDING")
    .execute();

async function failPrediction(
  tx: Queryable,
  round: RoundRow,
  score: NewScore,
  letter: { error: string; attempts: number },
): Promise<void> {
  const error = letter.error.replaceAll("\u0000", "").slice(0, 500);
  await setStatus(tx, round, score.modelId, "FAILED", `the scorer refused it ${letter.attempts} times: ${error}`);
  await tx
    .insertInto("dead_letters")
    .values({
      prediction_id: score.predictionId,
      round_id: round.id,
      model_id: score.modelId,
      stage: "score",
      error,
      attempts: letter.attempts,
    })
    .onConflict((c) => c.doNothing())
    .execute();
}

/** One model's counted scores in a window, in due order: aligned arrays for metrics, results for aggregation. */
export interface CountedScore {
  model_id: string;
  round_id: string;
  due_at: Date;
  value: number | null;
  predicted: number | null;
  actual: number | null;
  success: boolean;
  result_jsonb: Record<string, unknown>;
}

/** Gives every score that no window has counted yet, resolved before `endMs`, to the window that ends there. Late scores come with the next. */
export async function countScores(tx: Queryable, endMs: number): Promise<CountedScore[]> {
  return tx
    .updateTable("scores")
    .set({ window_end: new Date(endMs) })
    .where("window_end", "is", null)
    .where("current", "=", true)
    .where("resolved_at", "<", new Date(endMs))
    .returning(["model_id", "round_id", "due_at", "value", "predicted", "actual", "success", "result_jsonb"])
    .execute();
}

/** The newest `limit` pairs of a model since an instant, ascending by due time: what leaderboard metrics are computed from. */
export async function recentPairs(
  db: Queryable,
  modelId: string,
  sinceMs: number,
  limit: number,
): Promise<{ value: number; predicted: number; actual: number }[]> {
  const rows = await db
    .selectFrom("scores")
    .select(["value", "predicted", "actual"])
    .where("model_id", "=", modelId)
    .where("due_at", ">=", new Date(sinceMs))
    .where("current", "=", true)
    .where("success", "=", true)
    .where("predicted", "is not", null)
    .where("actual", "is not", null)
    .where("value", "is not", null)
    .orderBy("due_at", "desc")
    .limit(limit)
    .execute();
  return rows.reverse() as { value: number; predicted: number; actual: number }[];
}

export type ScoreRow = Selectable<Scores>;

/** The current scores of a round, by model. */
export const scoresOf = (db: Queryable, round: { id: string; due_at: Date }): Promise<ScoreRow[]> =>
  db
    .selectFrom("scores")
    .selectAll()
    .where("round_id", "=", round.id)
    .where("due_at", "=", round.due_at)
    .where("current", "=", true)
    .orderBy("model_id")
    .execute();

/** Mean of a model's current scores in one scope, over a window. */
export interface ScopeMean {
  model_id: string;
  scope_key: string;
  scope_jsonb: Record<string, unknown>;
  /** one mean per asked `sinceMs`, in that order; null: no score inside */
  means: (number | null)[];
  last_resolved_at: Date;
}

/**
 * Per model and scope, the means of `value` since each instant, over at most the newest `rounds` scored rounds of each scope that
 * were due in [from, to).
 */
export async function scopeMeans(
  db: Queryable,
  range: { scopeKeys: readonly string[]; from: Date; to: Date; rounds: number },
  since: readonly Date[],
  models?: readonly string[],
): Promise<ScopeMean[]> {
  const means = since.map((at) => sql`avg(s.value) filter (where s.resolved_at >= ${at})`);
  const { rows } = await sql<ScopeMean>`
    select s.model_id, c.scope_key, (array_agg(r.scope_jsonb))[1] as scope_jsonb,
      array[${sql.join(means)}]::float8[] as means, max(s.resolved_at) as last_resolved_at
    from unnest(${[...range.scopeKeys]}::text[]) c (scope_key)
    cross join lateral (
      select id, due_at, scope_jsonb from rounds
      where scope_key = c.scope_key and due_at >= ${range.from} and due_at < ${range.to} and status = 'SCORED'
      order by due_at desc limit ${range.rounds}
    ) r
    join lateral (
      select model_id, value, resolved_at from scores s
      where s.round_id = r.id and s.due_at = r.due_at and s.current ${models ? sql`and s.model_id in (${sql.join(models)})` : sql``}
      offset 0
    ) s on true
    group by s.model_id, c.scope_key
    order by s.model_id, c.scope_key limit 5000`.execute(db);
  return rows;
}
