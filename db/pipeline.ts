import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Dimension } from "./feeds.ts";

export interface RoundNumbers {
  /** in the last minute: rounds that were due, inputs stored, rows stored, rows scored */
  rounds: number;
  inputs: number;
  predictions: number;
  scores: number;
  waiting: number;
  due: number;
  late: number;
  next_resolve_at: Date | null;
}

const MINUTE_MS = 60_000;
/** Scoring follows resolution within this, else it is reported as late and not in the rate. */
const SCORED_WITHIN_MS = 10 * MINUTE_MS;

/** What rounds do right now, from the counts on their rows: predictions are never scanned. */
export async function roundNumbers(db: Queryable, nowMs: number): Promise<RoundNumbers> {
  const [now, minuteAgo] = [new Date(nowMs), new Date(nowMs - MINUTE_MS)];
  const rowsOf = sql`coalesce((counts_jsonb->>'called')::int, 0) + coalesce((counts_jsonb->>'absent')::int, 0)`;
  const { rows } = await sql<RoundNumbers>`
    select recent.*, scored.*, open.* from (
      select count(*)::int as rounds, count(input_id)::int as inputs, coalesce(sum(${rowsOf}), 0)::int as predictions
      from rounds where due_at > ${minuteAgo} and due_at <= ${now}
    ) recent, (
      select coalesce(sum(${rowsOf}), 0)::int as scores from rounds
      where resolve_at > ${new Date(nowMs - SCORED_WITHIN_MS)} and resolve_at <= ${now} and status = 'SCORED' and finished_at > ${minuteAgo}
    ) scored, (
      select count(*) filter (where resolve_at > ${now})::int as waiting, count(*) filter (where resolve_at <= ${now})::int as due,
        count(*) filter (where give_up_at <= ${now})::int as late, min(resolve_at) filter (where resolve_at > ${now}) as next_resolve_at
      from rounds where status in ('COLLECTING', 'WAITING', 'RESOLVED')
    ) open`.execute(db);
  return rows[0]!;
}

export async function roundsByStatus(db: Queryable, since: Date): Promise<Record<string, number>> {
  const rows = await db
    .selectFrom("rounds")
    .select(["status", sql<number>`count(*)::int`.as("n")])
    .where("due_at", ">=", since)
    .groupBy("status")
    .execute();
  return Object.fromEntries(rows.map((row) => [row.status, row.n]));
}

export const countOpenWindows = async (db: Queryable): Promise<number> =>
  (
    await db
      .selectFrom("scoring_windows")
      .select(sql<number>`count(*)::int`.as("n"))
      .where("status", "=", "OPEN")
      .executeTakeFirst()
  )?.n ?? 0;

export interface RoundLatency {
  /** ms from the storing of the newest record to the round's row, of the slowest model, and from the row to the predictions' storing */
  begin: number;
  models: number;
  collect: number;
}

/**
 * Times of the newest collected rounds, ms. Rows carry the start of the transaction that wrote them, so each figure is from one storing to
 * the next; the true commit time is bench/round.ts.
 */
export async function roundLatencies(
  db: Queryable,
  dimension: Omit<Dimension, "subject">,
  granularityMs: number,
  limit: number,
): Promise<RoundLatency[]> {
  const { rows } = await sql<RoundLatency>`
    select extract(epoch from r.created_at - f.ts_ingested)::float8 * 1000 as begin,
      coalesce(p.slowest_us, 0)::float8 / 1000 as models, extract(epoch from r.collected_at - r.created_at)::float8 * 1000 as collect
    from (
      select id, due_at, created_at, collected_at, scope_jsonb->>'subject' as subject from rounds
      where collected_at is not null order by due_at desc limit ${limit}
    ) r
    join lateral (
      select ts_ingested from feed_records f
      where f.source = ${dimension.source} and f.subject = r.subject and f.kind = ${dimension.kind} and f.granularity = ${dimension.granularity}
        and f.ts_event = r.due_at - ${`${granularityMs} milliseconds`}::interval
      limit 1
    ) f on f.ts_ingested <= r.created_at
    left join lateral (
      select max(exec_time_us) as slowest_us from predictions p where p.round_id = r.id and p.due_at = r.due_at
    ) p on true`.execute(db);
  return rows;
}
