import { type RawBuilder, sql } from "kysely";
import type { Queryable } from "./database.ts";

/** A score as the scoring window sees it that holds it. */
export interface CountedScore {
  model_id: string;
  deployment_id: string;
  round_id: string;
  scope_key: string;
  /** epoch ms */
  due_ms: number;
  value: number | null;
  predicted: number | null;
  actual: number | null;
  success: boolean;
  /** the scorer's result as JSON text: parsed one at a time, where it is aggregated */
  result: string;
  /** end of the window that holds it, epoch ms */
  window_end_ms: number;
  /** a version before this one was counted by a window */
  counted_before: boolean;
  /** null: scored before there were any */
  leaf_hash: Uint8Array | null;
}

/** A model's snapshot of an earlier window that is no longer what its scores say. */
export interface StaleSnapshot {
  model_id: string;
  window_end_ms: number;
}

/** Times as numbers: a hundred thousand dates are a second of parsing. */
const columns = (
  scopeKey: RawBuilder<unknown>,
) => sql`s.model_id, s.deployment_id, s.round_id, ${scopeKey} as scope_key, (extract(epoch from s.due_at) * 1000)::float8 as due_ms, s.value,
  s.predicted, s.actual, s.success, s.result_jsonb::text as result, (extract(epoch from s.window_end) * 1000)::float8 as window_end_ms, s.counted_before, s.leaf_hash`;

/** One look-up per score: a join would read all rounds that there ever were. */
const OF_ITS_ROUND = sql`(select r.scope_key from rounds r where r.id = s.round_id)`;

/** How much of the past one window corrects: whichever is reached first. */
export interface CorrectionLimit {
  windows: number;
  scores: number;
}

/** Where a window stops correcting the past, as the end of the last window that it corrects; null: it can do all there is. */
export async function correctionEnd(tx: Queryable, most: CorrectionLimit): Promise<Date | null> {
  const withdrawn = sql`scores where window_end is not null and not current`;
  const { rows } = await sql<{ until: Date | null }>`
    select least(
      (select window_end from (select distinct window_end from ${withdrawn} order by window_end) w order by window_end offset ${most.windows - 1} limit 1),
      (select window_end from ${withdrawn} order by window_end offset ${most.scores - 1} limit 1)
    ) as until`.execute(tx);
  return rows[0]!.until;
}

/**
 * Gives every current score that no window holds, resolved before `end`, to the window in which its round resolved: this one, or, when
 * the score came late, an earlier one, whose snapshot then needs a correction. What is late and behind `until` waits.
 */
export async function countScores(
  tx: Queryable,
  window: { start: Date; end: Date },
  until: Date | null = null,
): Promise<CountedScore[]> {
  const { rows } = await sql<CountedScore>`
    update scores s set window_end = case when s.resolved_at >= ${window.start} then ${window.end}::timestamptz
      else (select min(w.end_at) from scoring_windows w where w.end_at > s.resolved_at) end
    where s.window_end is null and s.current and s.resolved_at < ${window.end} and ${until ? sql`(s.resolved_at >= ${window.start} or s.resolved_at < ${until})` : sql`true`}
    returning ${columns(OF_ITS_ROUND)}`.execute(tx);
  return rows;
}

/** Scores that are not current any more leave the windows that held them, up to `until`; says whose snapshots that makes stale. */
export async function takeBackScores(tx: Queryable, until: Date | null = null): Promise<StaleSnapshot[]> {
  const { rows } = await sql<StaleSnapshot>`
    with stale as (
      select round_id, model_id, scorer_hash, due_at, window_end from scores where window_end is not null and not current
        and ${until ? sql`window_end <= ${until}` : sql`true`} for update
    ), taken as (
      update scores s set window_end = null from stale
      where s.round_id = stale.round_id and s.model_id = stale.model_id and s.scorer_hash = stale.scorer_hash and s.due_at = stale.due_at
      returning s.model_id, stale.window_end
    )
    select distinct model_id, (extract(epoch from window_end) * 1000)::float8 as window_end_ms from taken`.execute(tx);
  return rows;
}

/** All current scores that a window holds, found through the rounds that resolved in it, one by one: a join would read every day's partition. */
export async function scoresHeldBy(tx: Queryable, window: { start: Date; end: Date }): Promise<CountedScore[]> {
  const { rows } = await sql<CountedScore>`
    select ${columns(sql`r.scope_key`)}
    from rounds r cross join lateral (
      select * from scores s where s.round_id = r.id and s.due_at = r.due_at and s.current and s.window_end = ${window.end}
      offset 0
    ) s
    where r.resolve_at >= ${window.start} and r.resolve_at < ${window.end}`.execute(tx);
  return rows;
}
