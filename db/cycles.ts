import { type Selectable, sql } from "kysely";
import type { CycleFacts } from "../proofs/from-rows.ts";
import type { Queryable } from "./database.ts";
import type { MerkleCycles } from "./schema.ts";

/** A scoring window's link in the chain; `chained_root` is the hash of its cycle record. */
export type CycleRow = Selectable<MerkleCycles> & CycleFacts;

type NewCycle = CycleFacts &
  Pick<CycleRow, "previous_cycle_id" | "chained_root" | "peer_snapshots_root" | "peer_chained_root">;

export async function insertCycle(tx: Queryable, { window_start: _, ...cycle }: NewCycle): Promise<void> {
  await tx.insertInto("merkle_cycles").values(cycle).execute();
}

const cycles = (db: Queryable) =>
  db
    .selectFrom("merkle_cycles as c")
    .innerJoin("scoring_windows as w", "w.end_at", "c.window_end")
    .selectAll("c")
    .select("w.start_at as window_start");

export const lastCycle = (db: Queryable): Promise<CycleRow | undefined> =>
  cycles(db).orderBy("c.window_end", "desc").limit(1).executeTakeFirst();

export const cycleById = (db: Queryable, id: string): Promise<CycleRow | undefined> =>
  cycles(db).where("c.id", "=", id).executeTakeFirst();

/** Those of the windows that end in (start, end], in that order: the leaves of a checkpoint's root. */
export const cyclesOfPeriod = (db: Queryable, period: { start: Date; end: Date }): Promise<CycleRow[]> =>
  cycles(db)
    .where("c.window_end", ">", period.start)
    .where("c.window_end", "<=", period.end)
    .orderBy("c.window_end")
    .execute();

/** The newest that the public node would have made: it makes none of an empty window. */
export const lastPeerCycle = (db: Queryable, before?: Date): Promise<CycleRow | undefined> => {
  const newest = cycles(db).where("c.peer_chained_root", "is not", null).orderBy("c.window_end", "desc").limit(1);
  return (before ? newest.where("c.window_end", "<", before) : newest).executeTakeFirst();
};

/** The newest `limit` as the public node has them whose windows end in [since, until), newest first. */
export function listCycles(
  db: Queryable,
  filter: { since?: Date | undefined; until?: Date | undefined; limit: number },
): Promise<CycleRow[]> {
  let query = cycles(db)
    .where("c.peer_chained_root", "is not", null)
    .orderBy("c.window_end", "desc")
    .limit(filter.limit);
  if (filter.since) query = query.where("c.window_end", ">=", filter.since);
  if (filter.until) query = query.where("c.window_end", "<", filter.until);
  return query.execute();
}

/** The snapshots that a window committed, in order of id, with their hashes: the leaves of its cycle. */
export async function snapshotHashesOf(
  db: Queryable,
  windowEnd: Date,
): Promise<{ id: string; model_id: string; content_hash: string }[]> {
  const { rows } = await sql<{ id: string; model_id: string; content_hash: string }>`
    select id, model_id, content_hash from snapshots where window_end = ${windowEnd} order by id collate "C"`.execute(
    db,
  );
  return rows;
}
