import { type RawBuilder, sql } from "kysely";
import { HISTORY_LOCK } from "./backfill-records.ts";
import type { Database, Queryable } from "./database.ts";
import { forgetPartitions, type PartitionedTable } from "./partitions.ts";
import type { DayPartition } from "./retention.ts";

/**
 * Takes a day away as a whole. Detaching concurrently waits for whoever reads the table and lets everybody pass meanwhile; interrupted
 * anywhere, the next call goes on.
 */
export async function dropDay(db: Database, table: PartitionedTable, { name, state }: DayPartition): Promise<void> {
  await db.connection().execute(async (connection) => {
    const detach = sql`alter table ${sql.id(table)} detach partition ${sql.id(name)}`;
    if (state === "attached") await sql`${detach} concurrently`.execute(connection);
    if (state === "detaching") await sql`${detach} finalize`.execute(connection);
    await sql`drop table if exists ${sql.id(name)}`.execute(connection);
  });
  forgetPartitions(db, table);
}

/** Nobody stores old records while `work` looks and takes away; it must not store any itself. */
export async function withHistoryHeld<T>(db: Database, work: () => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${HISTORY_LOCK})`.execute(connection);
    try {
      return await work();
    } finally {
      await sql`select pg_advisory_unlock(${HISTORY_LOCK})`.execute(connection);
    }
  });
}

/** The counts of a day go with its records. */
export async function dropFeedDay(db: Queryable, dayMs: number): Promise<void> {
  await db
    .deleteFrom("feed_days")
    .where("day", "=", sql<Date>`${new Date(dayMs).toISOString().slice(0, 10)}::date`)
    .execute();
}

/** Rows of a table that are older than an instant and that nothing points to. The same condition counts and deletes. */
interface Expiring {
  what: string;
  from: RawBuilder<unknown>;
  where: (before: Date) => RawBuilder<unknown>;
}

/** The first scheduled round of a scope stays: it says since when the competition runs. */
const ROUNDS: Expiring = {
  what: "rounds",
  from: sql`rounds r`,
  where: (before) => sql`r.due_at < ${before} and r.status not in ('COLLECTING','WAITING','RESOLVED')
    and (r.tournament_id is not null or r.due_at > (select min(due_at) from rounds f where f.scope_key = r.scope_key))`,
};
const NODES: Expiring = {
  what: "merkle_nodes",
  from: sql`merkle_nodes r`,
  where: (before) =>
    sql`r.checkpoint_id is null and r.cycle_id in (select id from merkle_cycles where window_end < ${before})`,
};
/** One that a later one corrects goes after that. */
const SNAPSHOTS: Expiring = {
  what: "snapshots",
  from: sql`snapshots r`,
  where: (before) => sql`r.window_end < ${before}
    and not exists (select from snapshots n where n.supersedes = r.id)
    and not exists (select from merkle_nodes n where n.snapshot_id = r.id)`,
};
/** The newest board stays, however old it is. */
const LEADERBOARDS: Expiring = {
  what: "leaderboards",
  from: sql`leaderboards r`,
  where: (before) => sql`r.window_end < least(${before}, (select max(window_end) from leaderboards))`,
};
const QUALITY: Expiring = {
  what: "feed_quality",
  from: sql`feed_quality r`,
  where: (before) => sql`r.hour < ${before}`,
};
const GAPS: Expiring = {
  what: "feed_gaps",
  from: sql`feed_gaps r`,
  where: (before) => sql`r.until_ts < ${before} and r.status <> 'OPEN'`,
};

/** What goes with snapshots, in the order in which one points to the other; windows and the chain of cycles' roots stay for ever. */
export const OF_SNAPSHOTS = [NODES, SNAPSHOTS, LEADERBOARDS] as const;
export const OF_FEEDS = [QUALITY, GAPS] as const;
export const OF_ROUNDS = [ROUNDS] as const;

export async function countExpired(db: Queryable, { from, where }: Expiring, beforeMs: number): Promise<number> {
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from ${from} where ${where(new Date(beforeMs))}`.execute(db);
  return rows[0]!.n;
}

/** Deletes at most `limit` rows; returns how many. */
export async function deleteExpired(
  db: Database,
  expiring: Expiring,
  beforeMs: number,
  limit: number,
): Promise<number> {
  if (expiring === ROUNDS) return deleteRounds(db, beforeMs, limit);
  const table = sql.id(expiring.what);
  const { numAffectedRows } = await sql`
    delete from ${table} where ctid in (select r.ctid from ${expiring.from} where ${expiring.where(new Date(beforeMs))} limit ${limit})`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0n);
}

/** A round with its truth, its settled dead letters and its input. */
async function deleteRounds(db: Database, beforeMs: number, limit: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ input_id: string | null }>`
      with doomed as (select r.id from ${ROUNDS.from} where ${ROUNDS.where(new Date(beforeMs))} order by r.due_at limit ${limit}),
        truth as (delete from truths where round_id in (select id from doomed)),
        letters as (delete from dead_letters where round_id in (select id from doomed) and status not in ('OPEN','RETRYING'))
      delete from rounds where id in (select id from doomed) returning input_id`.execute(tx);
    const inputs = rows.flatMap((row) => (row.input_id === null ? [] : [row.input_id]));
    if (inputs.length > 0)
      await sql`delete from inputs i where id = any(${inputs}::text[]) and not exists (select from rounds r where r.input_id = i.id)`.execute(
        tx,
      );
    return rows.length;
  });
}
