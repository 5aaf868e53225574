import { type Selectable, sql, type Transaction } from "kysely";
import type { Queryable } from "./database.ts";
import type { CheckpointLog, Schema } from "./schema.ts";

export type LogEntry = Selectable<CheckpointLog>;

export interface NewLogEntry {
  checkpoint_id: string;
  record: object;
  /** hash of the record, hex */
  leaf_hash: string;
}

/**
 * Appends a checkpoint, under a lock so that entries have one order; `rootOf` gives the root over all leaf hashes, hex. One that is there already
 * stays as it is. Call in the transaction that writes the checkpoint (read committed: what others appended has to be seen).
 */
export async function appendToLog(
  tx: Transaction<Schema>,
  entry: NewLogEntry,
  rootOf: (leafHashes: readonly string[]) => string,
): Promise<LogEntry> {
  await sql`select pg_advisory_xact_lock(hashtext('checkpoint_log'))`.execute(tx);
  const there = await logEntryOf(tx, entry.checkpoint_id);
  if (there) return there;
  const leaves = [...(await leafHashesOfLog(tx)), entry.leaf_hash];
  const { record, ...columns } = entry;
  return tx
    .insertInto("checkpoint_log")
    .values({ ...columns, idx: leaves.length - 1, record_jsonb: JSON.stringify(record), tree_root: rootOf(leaves) })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** In order of sealing. */
export const checkpointLog = (db: Queryable): Promise<LogEntry[]> =>
  db.selectFrom("checkpoint_log").selectAll().orderBy("idx").execute();

/** The first `size`, or all. */
export const leafHashesOfLog = async (db: Queryable, size?: number): Promise<string[]> => {
  const query = db.selectFrom("checkpoint_log").select("leaf_hash").orderBy("idx");
  const rows = await (size === undefined ? query : query.where("idx", "<", size)).execute();
  return rows.map((row) => row.leaf_hash);
};

export const logEntryOf = (db: Queryable, checkpointId: string): Promise<LogEntry | undefined> =>
  db.selectFrom("checkpoint_log").selectAll().where("checkpoint_id", "=", checkpointId).executeTakeFirst();

/** The newest entry whose note is signed: the log as everybody may know it. */
export const latestNoted = (db: Queryable): Promise<LogEntry | undefined> =>
  db
    .selectFrom("checkpoint_log")
    .selectAll()
    .where("note", "is not", null)
    .orderBy("idx", "desc")
    .limit(1)
    .executeTakeFirst();

/** Keeps the signed note of an entry; the first one stays. */
export async function storeNote(db: Queryable, checkpointId: string, note: string): Promise<void> {
  await db
    .updateTable("checkpoint_log")
    .set({ note })
    .where("checkpoint_id", "=", checkpointId)
    .where("note", "is", null)
    .execute();
}

/** The entry of the checkpoint in whose period an instant lies: after its start, up to its end. */
export const logEntryAt = (db: Queryable, at: Date): Promise<LogEntry | undefined> =>
  db
    .selectFrom("checkpoint_log as l")
    .innerJoin("checkpoints as c", "c.id", "l.checkpoint_id")
    .selectAll("l")
    .where("c.period_start", "<", at)
    .where("c.period_end", ">=", at)
    .executeTakeFirst();
