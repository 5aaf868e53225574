import { type Selectable, sql } from "kysely";
import type { Database, Queryable } from "./database.ts";
import type { DeadLetters } from "./schema.ts";

export type DeadLetterRow = Selectable<DeadLetters>;
type DeadLetterStatus = DeadLetterRow["status"];

export interface DeadLetterFilter {
  status?: DeadLetterStatus | undefined;
  modelId?: string | undefined;
  roundId?: string | undefined;
  /** only those with a smaller id: the next page */
  before?: string | undefined;
  limit: number;
}

/** Newest first. */
export function listDeadLetters(db: Queryable, filter: DeadLetterFilter): Promise<DeadLetterRow[]> {
  let query = db.selectFrom("dead_letters").selectAll().orderBy("id", "desc").limit(filter.limit);
  if (filter.status) query = query.where("status", "=", filter.status);
  if (filter.modelId !== undefined) query = query.where("model_id", "=", filter.modelId);
  if (filter.roundId !== undefined) query = query.where("round_id", "=", filter.roundId);
  if (filter.before !== undefined) query = query.where("id", "<", filter.before);
  return query.execute();
}

export const deadLetterById = (db: Queryable, id: string): Promise<DeadLetterRow | undefined> =>
  db.selectFrom("dead_letters").selectAll().where("id", "=", id).executeTakeFirst();

/** Who acts on a dead letter; the audit log names them. */
export interface Act {
  actor: string;
  reason: string | null;
}

/** The score role asks the scorer again; undefined: the letter is not OPEN. */
export const askRetry = (db: Database, id: string, act: Act): Promise<DeadLetterRow | undefined> =>
  db.transaction().execute(async (tx) => {
    const row = await tx
      .updateTable("dead_letters")
      .set({ status: "RETRYING", actor: act.actor, reason: act.reason })
      .where("id", "=", id)
      .where("status", "=", "OPEN")
      .returningAll()
      .executeTakeFirst();
    if (row) await audit(tx, "dead-letter.retry", row, act);
    return row;
  });

/**
 * The prediction is left out, as if it had never been asked for: VOIDED with the reason, its score no longer current, so that the next
 * scoring window takes back what an earlier one had counted. Undefined: the letter is settled already.
 */
export const excuse = (db: Database, id: string, act: Act & { reason: string }): Promise<DeadLetterRow | undefined> =>
  db.transaction().execute(async (tx) => {
    const row = await tx
      .updateTable("dead_letters")
      .set({ status: "EXCUSED", actor: act.actor, reason: act.reason, settled_at: sql<Date>`now()` })
      .where("id", "=", id)
      .where("status", "in", ["OPEN", "RETRYING"])
      .returningAll()
      .executeTakeFirst();
    if (!row) return undefined;
    await sql`
      with r as (select id, due_at from rounds where id = ${row.round_id}),
      voided as (
        update predictions p set status = 'VOIDED', reason = ${`excused: ${act.reason}`},
          meta_jsonb = p.meta_jsonb || jsonb_build_object('voided_from', p.status)
        from r where p.round_id = r.id and p.due_at = r.due_at and p.model_id = ${row.model_id}
      )
      update scores s set current = false
      from r where s.round_id = r.id and s.due_at = r.due_at and s.model_id = ${row.model_id} and s.current`.execute(
      tx,
    );
    await audit(tx, "dead-letter.excuse", row, act);
    return row;
  });

/** Letters that somebody asked to try again, the oldest first. */
export const lettersToRetry = (db: Queryable, limit: number): Promise<DeadLetterRow[]> =>
  db.selectFrom("dead_letters").selectAll().where("status", "=", "RETRYING").orderBy("id").limit(limit).execute();

/** What a retry came to: scored, refused once more, or there is nothing left to score. False: somebody else settled the letter meanwhile. */
export async function settleRetry(
  tx: Queryable,
  id: string,
  outcome: { scored: true } | { refused: string; attempts: number } | { gone: string },
): Promise<boolean> {
  const change =
    "scored" in outcome
      ? { status: "RETRIED" as const, settled_at: sql<Date>`now()` }
      : "gone" in outcome
        ? { status: "EXCUSED" as const, settled_at: sql<Date>`now()`, reason: outcome.gone }
        : { status: "OPEN" as const, error: outcome.refused, attempts: sql<number>`attempts + ${outcome.attempts}` };
  const result = await tx
    .updateTable("dead_letters")
    .set(change)
    .where("id", "=", id)
    .where("status", "=", "RETRYING")
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

async function audit(tx: Queryable, action: string, letter: DeadLetterRow, { actor, reason }: Act): Promise<void> {
  await tx
    .insertInto("audit_log")
    .values({
      actor,
      action,
      subject: letter.prediction_id,
      detail_jsonb: JSON.stringify({ dead_letter: letter.id, reason }),
    })
    .execute();
}

/** Models of a round that the scorer took when it was asked again. */
export async function retriedModels(db: Queryable, roundId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("dead_letters")
    .select("model_id")
    .where("round_id", "=", roundId)
    .where("status", "=", "RETRIED")
    .execute();
  return rows.map((row) => row.model_id);
}
