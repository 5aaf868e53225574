import { sql } from "kysely";
import type { Queryable } from "./database.ts";

interface Window {
  start: Date;
  end: Date;
}

/** Windows that end in (h − 1 hour, h] belong to the hour h. */
const hourOf = (at: Date): Date => new Date(Math.ceil(at.getTime() / 3_600_000) * 3_600_000);

/**
 * Adds up what a window holds, by model, deployment and scope. In decimals, by the shortest text of each double: such sums are exact, so they are
 * the same whatever the order and the portions in which scores came. Round by round: a join would read every day's partition.
 */
const heldSums = ({ start, end }: Window) => sql`
  select 'window' as grain, ${end}::timestamptz as at, s.model_id, s.deployment_id, r.scope_key, coalesce(sum(s.value::text::numeric), 0) as sum,
    count(s.value) as counted, count(*) filter (where s.success) as answered, count(*) as asked, ${start}::timestamptz as first_at
  from rounds r cross join lateral (
    select model_id, deployment_id, value, success from scores s
    where s.round_id = r.id and s.due_at = r.due_at and s.current and s.window_end = ${end}
    offset 0
  ) s
  where r.resolve_at >= ${start} and r.resolve_at < ${end}`;

/** Writes the sums of a window that has just counted its scores, and adds them to its hour. */
export async function insertScoreSums(tx: Queryable, window: Window): Promise<void> {
  await sql`
    with held as (
      insert into score_sums ${heldSums(window)} group by s.model_id, s.deployment_id, r.scope_key returning *
    )
    insert into score_sums as hour
    select 'hour', ${hourOf(window.end)}::timestamptz, model_id, deployment_id, scope_key, sum, counted, answered, asked, first_at from held
    on conflict (grain, at, model_id, deployment_id, scope_key) do update set sum = hour.sum + excluded.sum, counted = hour.counted + excluded.counted,
      answered = hour.answered + excluded.answered, asked = hour.asked + excluded.asked, first_at = least(hour.first_at, excluded.first_at)`.execute(
    tx,
  );
}

/** Writes the sums of an earlier window anew for some models, and those of its hour. */
export async function correctScoreSums(tx: Queryable, window: Window, models: readonly string[]): Promise<void> {
  const hour = hourOf(window.end);
  const theirs = sql`model_id = any(${[...models]}::text[])`;
  await sql`delete from score_sums where ${theirs} and ((grain = 'window' and at = ${window.end}) or (grain = 'hour' and at = ${hour}))`.execute(
    tx,
  );
  await sql`
    insert into score_sums ${heldSums(window)} and ${theirs} group by s.model_id, s.deployment_id, r.scope_key`.execute(
    tx,
  );
  await sql`
    insert into score_sums
    select 'hour', ${hour}::timestamptz, model_id, deployment_id, scope_key, sum(sum), sum(counted), sum(answered), sum(asked), min(first_at)
    from score_sums
    where grain = 'window' and at > ${hour}::timestamptz - interval '1 hour' and at <= ${hour} and ${theirs}
    group by model_id, deployment_id, scope_key`.execute(tx);
}

/** What a model scored in one scope over a stretch of time. */
export interface SpanSum {
  model_id: string;
  /** empty where deployments are taken together */
  deployment_id: string;
  scope_key: string;
  sum: number;
  counted: number;
  answered: number;
  asked: number;
  first_at: Date;
  last_at: Date;
}

/**
 * Sums over the scoring windows that end after `since`: whole hours, and single windows only of the hour in which the stretch begins. So
 * the cost is that of hours, however many rounds there were.
 */
export async function sumsSince(db: Queryable, since: Date, byDeployment: boolean): Promise<SpanSum[]> {
  const firstHour = hourOf(since);
  const deployment = byDeployment ? sql`deployment_id` : sql`''`;
  const { rows } = await sql<SpanSum>`
    select model_id, ${deployment} as deployment_id, scope_key, sum(sum)::float8 as sum, sum(counted)::int as counted,
      sum(answered)::int as answered, sum(asked)::int as asked, min(first_at) as first_at, max(at) as last_at
    from (
      select * from score_sums where grain = 'window' and at > ${since} and at <= ${firstHour}
      union all
      select * from score_sums where grain = 'hour' and at > ${firstHour}
    ) s
    group by 1, 2, 3`.execute(db);
  return rows;
}

/** Sums that no window of the contract reaches back to. */
export async function dropScoreSums(tx: Queryable, before: Date): Promise<void> {
  await sql`delete from score_sums where grain = 'window' and at < ${before}`.execute(tx);
  await sql`delete from score_sums where grain = 'hour' and at < ${before}`.execute(tx);
}
