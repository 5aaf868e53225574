import { type Selectable, sql } from "kysely";
import { BACKFILL_NEXT, type BackfillStatus, OPEN_BACKFILL } from "../domain/backfill.ts";
import type { Database, Queryable } from "./database.ts";
import type { Dimension } from "./feeds.ts";
import type { BackfillJobs } from "./schema.ts";

export type BackfillRow = Selectable<BackfillJobs>;

export interface NewBackfill extends Dimension {
  id: string;
  startMs: number;
  /** exclusive */
  endMs: number;
}

/** Writes the row that is the job's outbox, or finds the open job that holds the stream. */
export async function insertBackfill(
  db: Database,
  job: NewBackfill,
): Promise<{ created: BackfillRow } | { holder: BackfillRow }> {
  for (;;) {
    const { id, source, subject, kind, granularity, startMs, endMs } = job;
    const created = await db
      .insertInto("backfill_jobs")
      .values({
        ...{ id, source, subject, kind, granularity, status: "pending" },
        ...{ start_ts: new Date(startMs), end_ts: new Date(endMs), cursor_ts: null, error: null },
      })
      .onConflict((c) => c.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (created) return { created };
    const holder = await openBackfillOf(db, job);
    if (holder) return { holder }; // else it ended in between
  }
}

const openBackfillOf = (db: Queryable, d: Dimension): Promise<BackfillRow | undefined> =>
  db
    .selectFrom("backfill_jobs")
    .selectAll()
    .where("source", "=", d.source)
    .where("subject", "=", d.subject)
    .where("kind", "=", d.kind)
    .where("granularity", "=", d.granularity)
    .where("status", "in", [...OPEN_BACKFILL])
    .executeTakeFirst();

export const backfillById = (db: Queryable, id: string): Promise<BackfillRow | undefined> =>
  db.selectFrom("backfill_jobs").selectAll().where("id", "=", id).executeTakeFirst();

/** Newest first. */
export function listBackfills(
  db: Queryable,
  filter: { status?: BackfillStatus | undefined; limit: number },
): Promise<BackfillRow[]> {
  const query = db.selectFrom("backfill_jobs").selectAll().orderBy("created_at", "desc").orderBy("id");
  return (filter.status ? query.where("status", "=", filter.status) : query).limit(filter.limit).execute();
}

/** Jobs whose workflow must be there, oldest first. */
export const openBackfills = (db: Queryable, limit: number): Promise<Pick<BackfillRow, "id" | "subject">[]> =>
  db
    .selectFrom("backfill_jobs")
    .select(["id", "subject"])
    .where("status", "in", [...OPEN_BACKFILL])
    .orderBy("created_at")
    .limit(limit)
    .execute();

/** The newest job of each stream that ever had one. */
export async function latestBackfills(db: Queryable, limit: number): Promise<BackfillRow[]> {
  return db
    .selectFrom("backfill_jobs")
    .distinctOn(["source", "subject", "kind", "granularity"])
    .selectAll()
    .orderBy("source")
    .orderBy("subject")
    .orderBy("kind")
    .orderBy("granularity")
    .orderBy("created_at", "desc")
    .limit(limit)
    .execute();
}

const STREAM_HELD = "23505";

/**
 * Compare-and-set on the status that was seen. "held": the stream belongs to another open job by now. Throws where the table of
 * statuses forbids the step.
 */
export async function moveBackfill(
  db: Queryable,
  id: string,
  from: BackfillStatus,
  to: BackfillStatus,
  error: string | null = null,
): Promise<"moved" | "missed" | "held"> {
  if (!BACKFILL_NEXT[from].includes(to)) throw new TypeError(`a backfill does not go from ${from} to ${to}`);
  try {
    const { numUpdatedRows } = await db
      .updateTable("backfill_jobs")
      .set({ status: to, error, updated_at: sql`now()` })
      .where("id", "=", id)
      .where("status", "=", from)
      .executeTakeFirst();
    return numUpdatedRows > 0n ? "moved" : "missed";
  } catch (failure) {
    if ((failure as { code?: string }).code === STREAM_HELD) return "held";
    throw failure;
  }
}

/** Day files are written up to `filedMs`. */
export async function setFiled(db: Queryable, id: string, filedMs: number): Promise<void> {
  await db
    .updateTable("backfill_jobs")
    .set({ filed_ts: new Date(filedMs), updated_at: sql`now()` })
    .where("id", "=", id)
    .execute();
}
