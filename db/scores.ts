import { type RawBuilder, type Selectable, sql } from "kysely";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions } from "./partitions.ts";
import { moveRound, type RoundRow } from "./rounds.ts";
import type { PredictionStatus, Scores } from "./schema.ts";

export interface NewScore {
  id: string;
  predictionId: string;
  modelId: string;
  deploymentId: string;
  scorerHash: string;
  result: Record<string, unknown>;
  /** null: counts in no mean (the scorer called it failed, or the contract leaves the missing out) */
  value: number | null;
  pair: { predicted: number; actual: number } | null;
  /** the model gave a valid answer, and the scorer took it */
  success: boolean;
  failedReason: string | null;
  /** the scorer refused this prediction however often it was asked: it is FAILED, and waits in the list of dead letters */
  deadLetter?: { error: string; attempts: number };
}

/** Hash of a score's record; null: it has none, because the database would refuse it. */
export type LeafOf = (score: NewScore) => Uint8Array | null;

/** A round and the scores of its predictions. */
export interface ScoredRound {
  round: RoundRow;
  scores: readonly NewScore[];
  leaf: LeafOf;
}

/**
 * All scores of some rounds, their predictions' statuses and their own: one statement, one journey, one commit. Returns the ids of the rounds
 * that it scored; the others had been scored before. Where the database refuses a round because of what is in it, each prediction is stored in a
 * savepoint of its own, and the refused ones are FAILED with the reason. Of several rounds it refuses all: store each by itself then.
 */
export async function storeScores(db: Database, rounds: readonly ScoredRound[]): Promise<ReadonlySet<string>> {
  const once = new Map(rounds.map((r) => [r.round.id, r])); // a second attempt may ask while the first is under way
  const given = [...once.values()].sort((a, b) => (a.round.id < b.round.id ? -1 : 1)); // one order of locks
  for (const { round } of given) await ensurePartitions(db, "scores", round.due_at.getTime(), round.due_at.getTime());
  try {
    return await storeBatch(db, given, WAITING, takeRounds(given));
  } catch (error) {
    if (!isOfTheData(error) || given.length > 1) throw error;
    return new Set((await storeOneByOne(db, given[0]!)) ? [given[0]!.round.id] : []);
  }
}

/**
 * Scores that come after their round was scored (a retried dead letter, another version of the scorer). The version before stays as a row
 * that is not current; the next scoring window writes the correction. Call in a transaction.
 */
export async function storeLateScores(
  tx: Queryable,
  round: RoundRow,
  scores: readonly NewScore[],
  leaf: LeafOf,
): Promise<void> {
  for (const score of scores)
    await sql`
      update scores set current = false
      where round_id = ${round.id} and due_at = ${round.due_at} and model_id = ${score.modelId} and current`.execute(
      tx,
    );
  await storeBatch(tx, [{ round, scores, leaf }], [...WAITING, "FAILED"], whatever(round));
}

/** Predictions of these statuses become what their score makes of them. */
const WAITING: readonly PredictionStatus[] = ["PENDING"];

/** Errors about values (22), constraints (23) and sizes (54) come from a row; everything else would meet the next try as well. */
export const isOfTheData = (error: unknown): boolean =>
  /^(22|23|54)/.test(String((error as { code?: unknown } | null)?.code ?? ""));

const TAKEN = sql.raw("id, due_at, resolve_at, input_id");
const takeRounds = (rounds: readonly ScoredRound[]) => sql`
  update rounds set status = 'SCORED', finished_at = now()
  where id = any(${rounds.map((r) => r.round.id)}::text[]) and status = 'RESOLVED' returning ${TAKEN}`;
const whatever = (round: RoundRow) => sql`select ${TAKEN} from rounds where id = ${round.id}`;

/**
 * `taken` gives the rounds whose scores are to be stored; their ids are returned. A failed score of the same scorer gives way to a new one.
 * The times are named beside the join, so that only the partitions of their days are planned for.
 */
async function storeBatch(
  db: Queryable,
  rounds: readonly ScoredRound[],
  waiting: readonly PredictionStatus[],
  taken: RawBuilder<unknown>,
): Promise<ReadonlySet<string>> {
  const scores = rounds.flatMap(({ round, scores, leaf }) =>
    scores.map((score) => ({ round_id: round.id, ...scoreColumns(score, leaf) })),
  );
  const dues = rounds.map((r) => r.round.due_at.getTime());
  const { rows } = await sql<{ id: string }>`
    with taken as (${taken}), given as (
      select s.*, due_at, resolve_at from jsonb_to_recordset(${JSON.stringify(scores)}::jsonb) as s(round_id text, id text, prediction_id text, model_id text,
        deployment_id text, scorer_hash text, result jsonb, value float8, predicted float8, actual float8, success boolean, failed_reason text,
        letter text, attempts int, leaf_hash bytea) join taken on taken.id = s.round_id
    ), stored as (
      insert into scores (id, prediction_id, round_id, model_id, due_at, scorer_hash, deployment_id, result_jsonb, value, predicted, actual,
        success, failed_reason, resolved_at, leaf_hash)
      select id, prediction_id, round_id, model_id, due_at, scorer_hash, deployment_id, result, value, predicted, actual,
        success, failed_reason, resolve_at, leaf_hash
      from given
      on conflict (round_id, model_id, scorer_hash, due_at) do update set result_jsonb = excluded.result_jsonb, value = excluded.value,
        predicted = excluded.predicted, actual = excluded.actual, success = excluded.success, failed_reason = excluded.failed_reason,
        leaf_hash = excluded.leaf_hash, current = true, scored_at = now(), window_end = null
    ), settled as (
      update predictions p set status = case when letter is null then 'SCORED' else 'FAILED' end,
        reason = 'the scorer refused it ' || attempts || ' times: ' || letter
      from given g
      where p.round_id = g.round_id and p.model_id = g.model_id and p.due_at = g.due_at and p.status in (${sql.join(waiting)})
        and p.due_at between ${new Date(Math.min(...dues))} and ${new Date(Math.max(...dues))}
    ), letters as (
      insert into dead_letters (prediction_id, round_id, model_id, stage, error, attempts)
      select prediction_id, round_id, model_id, 'score', letter, attempts from given where letter is not null
      on conflict do nothing
    ), resolved as (
      update inputs set status = 'RESOLVED' where id in (select input_id from taken)
    )
    select id from taken`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/** A score as a row of jsonb_to_recordset. */
export const scoreColumns = ({ deadLetter, pair, ...score }: NewScore, leaf: LeafOf) => ({
  id: score.id,
  prediction_id: score.predictionId,
  model_id: score.modelId,
  deployment_id: score.deploymentId,
  scorer_hash: score.scorerHash,
  result: score.result,
  value: score.value,
  predicted: pair?.predicted ?? null,
  actual: pair?.actual ?? null,
  success: score.success,
  failed_reason: score.failedReason,
  letter: deadLetter?.error ?? null,
  attempts: deadLetter?.attempts ?? null,
  leaf_hash: byteaText(leaf({ ...score, pair })),
});

const byteaText = (bytes: Uint8Array | null): string | null =>
  bytes && `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`;

async function storeOneByOne(db: Database, { round, scores, leaf }: ScoredRound): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    if (!(await moveRound(tx, round.id, "RESOLVED", "SCORED"))) return false;
    const store = (score: NewScore) => storeBatch(tx, [{ round, scores: [score], leaf }], WAITING, whatever(round));
    for (const score of scores) {
      await sql`savepoint one_prediction`.execute(tx);
      try {
        await store(score);
        await sql`release savepoint one_prediction`.execute(tx);
      } catch (error) {
        if (!isOfTheData(error)) throw error;
        await sql`rollback to savepoint one_prediction`.execute(tx);
        await store(refusedByDatabase(score, String(error)));
      }
    }
    return true;
  });
}

const refusedByDatabase = (score: NewScore, error: string): NewScore => ({
  ...score,
  result: {},
  value: null,
  pair: null,
  success: false,
  failedReason: error,
  deadLetter: { error, attempts: 1 },
});

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
