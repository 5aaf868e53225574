import { sql } from "kysely";
import type { Database } from "./database.ts";

/** Tables cut into days of their time column, so that retention drops a partition instead of deleting rows. */
export type PartitionedTable = "feed_records" | "predictions" | "scores";

const DAY_MS = 86_400_000;
const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);
const known = new WeakMap<Database, Set<string>>();

/** Makes the partitions that rows in [fromMs, toMs] need; remembered per database, so the usual call costs nothing. */
export async function ensurePartitions(
  db: Database,
  table: PartitionedTable,
  fromMs: number,
  toMs: number,
): Promise<void> {
  const seen = known.get(db) ?? new Set<string>();
  known.set(db, seen);
  for (let day = dayOf(fromMs); day <= dayOf(toMs); day++) {
    const key = `${table}/${day}`;
    if (seen.has(key)) continue;
    await createPartition(db, table, day);
    seen.add(key);
  }
}

/** Today and tomorrow, so that midnight finds its partitions made. Call on boot and every hour. */
export async function preparePartitions(db: Database, nowMs: number): Promise<void> {
  for (const table of ["feed_records", "predictions", "scores"] as const)
    await ensurePartitions(db, table, nowMs, nowMs + DAY_MS);
}

/** What is remembered of a table's partitions: forget it when one is found to be gone. */
export function forgetPartitions(db: Database, table: PartitionedTable): void {
  const seen = known.get(db);
  for (const key of seen ?? []) if (key.startsWith(`${table}/`)) seen!.delete(key);
}

/** `feed_records_20261121`. */
const partitionName = (table: PartitionedTable, dayMs: number): string =>
  `${table}_${new Date(dayMs).toISOString().slice(0, 10).replaceAll("-", "")}`;

/**
 * Made beside the table and then attached: `create table … partition of` would lock the whole table against everybody, and wait for
 * everybody who reads it.
 */
async function createPartition(db: Database, table: PartitionedTable, day: number): Promise<void> {
  const from = new Date(day * DAY_MS).toISOString();
  const to = new Date((day + 1) * DAY_MS).toISOString();
  const name = partitionName(table, day * DAY_MS);
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext(${`partition/${table}`}))`.execute(tx); // several roles may come at once
    const { rows } = await sql<{ attached: boolean }>`
      select relispartition as attached from pg_class where oid = to_regclass(${name})`.execute(tx);
    if (rows[0]?.attached) return;
    if (rows.length === 0)
      await sql`create table ${sql.id(name)} (like ${sql.id(table)} including defaults including constraints)`.execute(
        tx,
      );
    await sql`alter table ${sql.id(table)} attach partition ${sql.id(name)}
      for values from (${sql.lit(from)}) to (${sql.lit(to)})`.execute(tx);
  });
}
