import { sql } from "kysely";
import type { RoundFacts } from "../proofs/from-rows.ts";
import type { Queryable } from "./database.ts";
import type { RescoreRow } from "./rescore.ts";
import { type LeafOf, type NewScore, scoreColumns } from "./scores.ts";

/** A scored round of a job's range. */
export interface PageRound extends RoundFacts {
  scope_jsonb: Record<string, unknown>;
  truth: Record<string, unknown>;
}

const inRange = (job: Pick<RescoreRow, "from_at" | "to_at">) =>
  sql`r.status = 'SCORED' and r.due_at >= ${job.from_at} and r.due_at < ${job.to_at}`;

export async function countRounds(db: Queryable, job: RescoreRow): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from rounds r where ${inRange(job)}`.execute(db);
  return rows[0]!.n;
}

/** The next rounds behind the job's cursor, in order of (due time, id). */
export async function nextRounds(db: Queryable, job: RescoreRow, limit: number): Promise<PageRound[]> {
  const passed = job.cursor_at
    ? sql`(r.due_at, r.id collate "C") > (${job.cursor_at}, ${job.cursor_round} collate "C")`
    : sql`true`;
  const { rows } = await sql<PageRound>`
    select r.id, r.scope_key, r.scope_jsonb, r.due_at, r.resolve_at, r.contract_hash, i.hash as input_hash, t.result_jsonb as truth,
      t.evidence_jsonb as truth_evidence
    from rounds r join truths t on t.round_id = r.id left join inputs i on i.id = r.input_id
    where ${inRange(job)} and ${passed}
    order by r.due_at, r.id collate "C" limit ${limit}`.execute(db);
  return rows;
}

export interface Page {
  scores: readonly { round: PageRound; score: NewScore; leaf: LeafOf }[];
  rounds: readonly PageRound[];
  refused: number;
}

/**
 * Stores a page beside the scores that count, and moves the cursor: one statement. A score of the same scorer that counts already stays as
 * it is. False: the job stands elsewhere by now, and nothing was stored.
 */
export async function storePage(db: Queryable, job: RescoreRow, page: Page): Promise<boolean> {
  const last = page.rounds.at(-1)!;
  const counts = JSON.stringify({
    ...job.counts_jsonb,
    rounds: job.counts_jsonb.rounds + page.rounds.length,
    scores: job.counts_jsonb.scores + page.scores.length,
    refused: job.counts_jsonb.refused + page.refused,
  });
  const given = page.scores.map(({ round, score, leaf }) => ({
    ...scoreColumns(score, leaf),
    round_id: round.id,
    due_at: round.due_at,
    resolved_at: round.resolve_at,
  }));
  const { rows } = await sql<{ moved: boolean }>`
    with moved as (
      update rescore_jobs set cursor_at = ${last.due_at}, cursor_round = ${last.id}, counts_jsonb = ${counts}::jsonb, updated_at = now()
      where id = ${job.id} and status = 'running' and cursor_at is not distinct from ${job.cursor_at}
        and cursor_round is not distinct from ${job.cursor_round}
      returning id
    ), stored as (
      insert into scores (id, prediction_id, round_id, model_id, due_at, scorer_hash, deployment_id, result_jsonb, value, predicted, actual,
        success, failed_reason, current, resolved_at, leaf_hash)
      select s.id, prediction_id, round_id, model_id, due_at, scorer_hash, deployment_id, result, value, predicted, actual,
        success, failed_reason, false, resolved_at, leaf_hash
      from moved, jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as s(id text, prediction_id text, round_id text, model_id text,
        due_at timestamptz, scorer_hash text, deployment_id text, result jsonb, value float8, predicted float8, actual float8,
        success boolean, failed_reason text, resolved_at timestamptz, leaf_hash bytea)
      on conflict (round_id, model_id, scorer_hash, due_at) do update set result_jsonb = excluded.result_jsonb, value = excluded.value,
        predicted = excluded.predicted, actual = excluded.actual, success = excluded.success, failed_reason = excluded.failed_reason,
        leaf_hash = excluded.leaf_hash, scored_at = now()
        where not scores.current
    )
    select exists (select from moved) as moved`.execute(db);
  return rows[0]?.moved ?? false;
}
