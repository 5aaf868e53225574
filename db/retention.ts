import { sql } from "kysely";
import type { SealedPeriod, Span } from "../domain/retention.ts";
import type { Queryable } from "./database.ts";
import { type Dimension, whereDimension } from "./feeds.ts";
import type { PartitionedTable } from "./partitions.ts";

const OPEN_LETTER = sql`('OPEN','RETRYING')`;
const OPEN_ROUND = sql`('COLLECTING','WAITING','RESOLVED')`;

/** What rounds, predictions and scores are still needed for, as due times; null: nothing of that kind. */
export interface UnfinishedWork {
  openRounds: Date | null;
  uncountedScores: Date | null;
  withdrawnScores: Date | null;
  deadLetters: Date | null;
  tournaments: Date | null;
  rescores: Date | null;
}

/** Earliest due time of each kind of work that is not done. Every part reads an index of what is open, however old the database. */
export async function unfinishedWork(db: Queryable): Promise<UnfinishedWork> {
  const { rows } = await sql<UnfinishedWork>`
    select
      (select min(due_at) from rounds where status in ${OPEN_ROUND}) as "openRounds",
      (select min(due_at) from scores where window_end is null and current) as "uncountedScores",
      (select min(due_at) from scores where window_end is not null and not current) as "withdrawnScores",
      (select min(r.due_at) from dead_letters d join rounds r on r.id = d.round_id where d.status in ${OPEN_LETTER}) as "deadLetters",
      (select min(r.due_at) from tournament_rounds t join rounds r on r.tournament_id = t.id where t.status <> 'FINAL') as tournaments,
      (select min(from_at) from rescore_jobs where status in ('pending','running')) as rescores
    `.execute(db);
  return rows[0]!;
}

/** Where scoring windows stand: from when on nothing is committed, and the end of the last committed one; null: no window yet. */
export async function windowFrontier(db: Queryable): Promise<{ openFrom: Date | null; committedTo: Date | null }> {
  const { rows } = await sql<{ openFrom: Date | null; committedTo: Date | null }>`
    select coalesce((select min(start_at) from scoring_windows where status = 'OPEN'), (select max(end_at) from scoring_windows)) as "openFrom",
      (select end_at from scoring_windows where status = 'COMMITTED' order by end_at desc limit 1) as "committedTo"`.execute(
    db,
  );
  return rows[0]!;
}

/** The oldest checkpoint whose evidence is not written to a file of its own. */
export async function oldestUnbundled(db: Queryable): Promise<SealedPeriod[]> {
  const rows = await db
    .selectFrom("checkpoints")
    .select(["id", "period_start", "bundle_written_at"])
    .where("bundle_written_at", "is", null)
    .where((eb) => eb.or([eb("phase", "!=", "VOID"), eb("emission_hash", "!=", "")])) // voided before it was sealed: it never has one
    .orderBy("period_start")
    .limit(1)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    startMs: row.period_start.getTime(),
    bundleWrittenMs: row.bundle_written_at?.getTime() ?? null,
  }));
}

/**
 * Earliest due time of a round that resolves at or after an instant, or that a correction made since then is about; null: none.
 */
export async function firstDueResolvingFrom(db: Queryable, resolveMs: number): Promise<number | null> {
  const { rows } = await sql<{ due: Date | null }>`
    with corrected as (
      select least(${new Date(resolveMs)}::timestamptz, min(period_start)) as from_at
      from snapshots where supersedes is not null and window_end > ${new Date(resolveMs)}
    )
    select min(due_at) as due from rounds, corrected where resolve_at >= corrected.from_at`.execute(db);
  return rows[0]?.due?.getTime() ?? null;
}

/** When the `count`-th newest record of a stream begins (the oldest, where there are fewer); null: the stream has none. */
export async function windowBegin(db: Queryable, stream: Dimension, count: number): Promise<number | null> {
  const newest = whereDimension(db.selectFrom("feed_records").select("ts_event"), stream)
    .orderBy("ts_event", "desc")
    .limit(count);
  const row = await db
    .selectFrom(newest.as("newest"))
    .select((eb) => eb.fn.min("ts_event").as("begin"))
    .executeTakeFirst();
  return row?.begin ? new Date(row.begin).getTime() : null;
}

/** Stretches whose records backfill jobs still have to write to their day files; open jobs may store up to their end. */
export async function backfillSpans(db: Queryable): Promise<Span[]> {
  const { rows } = await sql<{ id: string; from_ts: Date; until_ts: Date }>`
    select id, date_trunc('day', coalesce(filed_ts, start_ts), 'UTC') as from_ts,
      case when status = 'failed' then cursor_ts else end_ts end as until_ts
    from backfill_jobs
    where status in ('pending','running','paused') or (status = 'failed' and cursor_ts > coalesce(filed_ts, start_ts))`.execute(
    db,
  );
  return rows.map((row) => ({
    what: `backfill ${row.id} has not filed it`,
    fromMs: row.from_ts.getTime(),
    untilMs: row.until_ts.getTime(),
  }));
}

export interface DayPartition {
  name: string;
  dayMs: number;
  /** as PostgreSQL estimates them */
  rows: number;
  /** detached: its deletion was interrupted; detaching: so was its detaching */
  state: "attached" | "detaching" | "detached";
}

/** Days of a partitioned table, oldest first. */
export async function dayPartitions(db: Queryable, table: PartitionedTable): Promise<DayPartition[]> {
  const { rows } = await sql<{ name: string; rows: string; state: DayPartition["state"] }>`
    select c.relname as name, greatest(c.reltuples, 0)::bigint as rows,
      case when i.inhrelid is null then 'detached' when i.inhdetachpending then 'detaching' else 'attached' end as state
    from pg_class c
    left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = to_regclass(${table})
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and c.relname ~ ${`^${table}_\\d{8}$`}
    order by c.relname`.execute(db);
  return rows.map((row) => ({ ...row, rows: Number(row.rows), dayMs: dayOfName(row.name) }));
}

const dayOfName = (name: string): number =>
  Date.parse(name.slice(-8).replace(/(\d{4})(\d{2})(\d{2})/, "$1-$2-$3T00:00:00Z"));

/** True where a day has a prediction that still waits for its truth. */
export async function hasPending(db: Queryable, dayMs: number): Promise<boolean> {
  const row = await db
    .selectFrom("predictions")
    .select("round_id")
    .where("due_at", ">=", new Date(dayMs))
    .where("due_at", "<", new Date(dayMs + DAY_MS))
    .where("status", "=", "PENDING")
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
const DAY_MS = 86_400_000;
