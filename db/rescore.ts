import { type Selectable, sql } from "kysely";
import { NO_RESCORES, type RankDiff, RESCORE_NEXT, type RescoreStatus } from "../domain/rescore.ts";
import type { Database, Queryable } from "./database.ts";
import type { RescoreJobs } from "./schema.ts";

export type RescoreRow = Selectable<RescoreJobs>;

export interface NewRescore {
  id: string;
  /** due times, half-open, epoch ms */
  fromMs: number;
  toMs: number;
  scorerHash: string;
  actor: string;
}

const OPEN: readonly RescoreStatus[] = ["pending", "running"];

/** Writes the row that is the job's outbox, or finds the job that is open: there is one at a time. */
export async function insertRescore(
  db: Database,
  { id, fromMs, toMs, scorerHash, actor }: NewRescore,
): Promise<{ created: RescoreRow } | { holder: RescoreRow }> {
  for (;;) {
    const created = await db
      .insertInto("rescore_jobs")
      .values({
        ...{ id, from_at: new Date(fromMs), to_at: new Date(toMs), scorer_hash: scorerHash, actor, status: "pending" },
        ...{ counts_jsonb: JSON.stringify(NO_RESCORES), error: null, cursor_at: null, cursor_round: null },
      })
      .onConflict((c) => c.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (created) return { created };
    const holder = await db
      .selectFrom("rescore_jobs")
      .selectAll()
      .where("status", "in", [...OPEN])
      .executeTakeFirst();
    if (holder) return { holder }; // else it ended in between
  }
}

export const rescoreById = (db: Queryable, id: string): Promise<RescoreRow | undefined> =>
  db.selectFrom("rescore_jobs").selectAll().where("id", "=", id).executeTakeFirst();

/** Newest first. */
export function listRescores(
  db: Queryable,
  filter: { status?: RescoreStatus | undefined; limit: number },
): Promise<RescoreRow[]> {
  const query = db.selectFrom("rescore_jobs").selectAll().orderBy("created_at", "desc").orderBy("id");
  return (filter.status ? query.where("status", "=", filter.status) : query).limit(filter.limit).execute();
}

/** Jobs whose workflow must be there: those that score, and those that somebody wants adopted. */
export const waitingRescores = (db: Queryable, limit: number): Promise<Pick<RescoreRow, "id">[]> =>
  db
    .selectFrom("rescore_jobs")
    .select("id")
    .where((eb) =>
      eb.or([eb("status", "in", [...OPEN]), eb("status", "=", "ready").and("adopt_actor", "is not", null)]),
    )
    .orderBy("created_at")
    .limit(limit)
    .execute();

/** Compare-and-set on the status that was seen; false: it is another by now. Throws where the table of statuses forbids the step. */
export async function moveRescore(
  db: Queryable,
  id: string,
  from: RescoreStatus,
  to: RescoreStatus,
  change: { error?: string; diff?: RankDiff; allRounds?: number } = {},
): Promise<boolean> {
  if (!RESCORE_NEXT[from].includes(to)) throw new TypeError(`a rescore does not go from ${from} to ${to}`);
  const { error, diff, allRounds } = change;
  const { numUpdatedRows } = await db
    .updateTable("rescore_jobs")
    .set({
      status: to,
      updated_at: sql`now()`,
      ...(error === undefined ? {} : { error }),
      ...(diff === undefined ? {} : { diff_jsonb: JSON.stringify(diff) }),
      ...(allRounds === undefined
        ? {}
        : { counts_jsonb: sql<string>`counts_jsonb || jsonb_build_object('all_rounds', ${allRounds}::int)` }),
    })
    .where("id", "=", id)
    .where("status", "=", from)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Who acts on a job; the audit log names them. */
export interface RescoreAct {
  actor: string;
  reason: string;
}

/** Asks for the adoption of a job that is ready; the score role does it. Undefined: it is not ready, or somebody has asked before. */
export const askAdoption = (
  db: Queryable,
  id: string,
  { actor, reason }: RescoreAct,
): Promise<RescoreRow | undefined> =>
  db
    .updateTable("rescore_jobs")
    .set({ adopt_actor: actor, adopt_reason: reason, error: null, updated_at: sql`now()` })
    .where("id", "=", id)
    .where("status", "=", "ready")
    .where("adopt_actor", "is", null)
    .returningAll()
    .executeTakeFirst();

/** Ends a job; what it has made stays beside the scores that count. Undefined: it has ended, or is being adopted. */
export const cancelRescore = (
  db: Database,
  id: string,
  { actor, reason }: RescoreAct,
): Promise<RescoreRow | undefined> =>
  db.transaction().execute(async (tx) => {
    const row = await tx
      .updateTable("rescore_jobs")
      .set({ status: "cancelled", updated_at: sql`now()` })
      .where("id", "=", id)
      .where("status", "in", [...OPEN, "ready"])
      .where("adopt_actor", "is", null)
      .returningAll()
      .executeTakeFirst();
    if (row) await auditRescore(tx, "rescore.cancel", id, actor, { reason });
    return row;
  });

export async function auditRescore(
  tx: Queryable,
  action: string,
  id: string,
  actor: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await tx
    .insertInto("audit_log")
    .values({ actor, action, subject: `rescore/${id}`, detail_jsonb: JSON.stringify(detail) })
    .execute();
}
