import { type Selectable, sql, type Transaction } from "kysely";
import { inputId } from "../domain/ids.ts";
import { isVoidable, ROUND_NEXT, type RoundStatus } from "../domain/round.ts";
import type { Database, Queryable } from "./database.ts";
import type { Schema, Voids } from "./schema.ts";

export interface VoidRequest {
  /** due times, half-open, epoch ms */
  fromMs: number;
  toMs: number;
  /** null: every scope */
  scopeKey: string | null;
  actor: string;
  reason: string;
}
export interface VoidResult {
  /** null: no round of the span was there to be voided, and nothing was written */
  id: string | null;
  rounds: number;
  predictions: number;
  scores: number;
}

/** Part of the block stands in a sealed checkpoint; nothing was voided. */
export class SealedRounds extends Error {
  override name = "SealedRounds";
}

interface Held {
  id: string;
  due_at: Date;
}

const VOIDABLE = (Object.keys(ROUND_NEXT) as RoundStatus[]).filter(isVoidable);

/**
 * Voids every round of a span as one block, in one transaction: rounds and predictions are VOIDED with the reason, their scores are no
 * longer current, so that the next scoring window takes back what an earlier one had counted. MISSED rounds never counted and stay.
 * @throws SealedRounds where a checkpoint has sealed a window that holds one of the scores
 */
export const voidRounds = (db: Database, request: VoidRequest): Promise<VoidResult> =>
  db.transaction().execute(async (tx) => {
    const rounds = await lockRounds(tx, request);
    if (rounds.length === 0) return { id: null, rounds: 0, predictions: 0, scores: 0 };
    await refuseSealed(tx, rounds);
    return voidLocked(tx, request, rounds);
  });

/** In the order of ids, so that two who void at once wait for each other instead of locking each other out. */
async function lockRounds(tx: Transaction<Schema>, { fromMs, toMs, scopeKey }: VoidRequest): Promise<Held[]> {
  let query = tx
    .selectFrom("rounds")
    .select(["id", "due_at"])
    .where("due_at", ">=", new Date(fromMs))
    .where("due_at", "<", new Date(toMs))
    .where("status", "in", VOIDABLE)
    .orderBy("id")
    .forUpdate();
  if (scopeKey !== null) query = query.where("scope_key", "=", scopeKey);
  return query.execute();
}

const SHOWN = 3;

async function refuseSealed(tx: Queryable, rounds: readonly Held[]): Promise<void> {
  const { rows } = await sql<{ round_id: string; checkpoint_id: string }>`
    select distinct s.round_id, c.id as checkpoint_id
    from ${given(rounds)}
    join scores s on s.round_id = g.id and s.due_at = g.due_at and s.current and s.window_end is not null
    join checkpoints c on c.phase <> 'VOID' and s.window_end > c.period_start and s.window_end <= c.period_end
    order by s.round_id`.execute(tx);
  if (rows.length === 0) return;
  const shown = rows.slice(0, SHOWN).map((r) => `${r.round_id} (${r.checkpoint_id})`);
  const more = rows.length > SHOWN ? ` and ${rows.length - SHOWN} more` : "";
  throw new SealedRounds(
    `${rows.length} of ${rounds.length} rounds stand in a sealed checkpoint: ${shown.join(", ")}${more}. Nothing was voided: void the checkpoint first, or leave them out of the span.`,
  );
}

const given = (rounds: readonly Held[]) =>
  sql`jsonb_to_recordset(${JSON.stringify(rounds)}::jsonb) as g(id text, due_at timestamptz)`;

async function voidLocked(
  tx: Transaction<Schema>,
  { fromMs, toMs, scopeKey, actor, reason }: VoidRequest,
  rounds: readonly Held[],
): Promise<VoidResult> {
  const ids = rounds.map((r) => r.id);
  const span = { scope_key: scopeKey, from_at: new Date(fromMs), to_at: new Date(toMs) };
  const { id } = await tx
    .insertInto("voids")
    .values({ actor, reason, ...span })
    .returning("id")
    .executeTakeFirstOrThrow();
  await sql`
    update rounds set status = 'VOIDED', reason = ${reason}, void_id = ${id}, finished_at = now()
    where id = any(${ids}::text[])`.execute(tx);
  const predictions = await sql`
    update predictions p set status = 'VOIDED', reason = ${reason}, meta_jsonb = p.meta_jsonb || jsonb_build_object('voided_from', p.status)
    from ${given(rounds)} where p.round_id = g.id and p.due_at = g.due_at`.execute(tx);
  const scores = await sql`
    update scores s set current = false from ${given(rounds)}
    where s.round_id = g.id and s.due_at = g.due_at and s.current`.execute(tx);
  await sql`update inputs set status = 'EXPIRED' where id = any(${ids.map(inputId)}::text[])`.execute(tx);
  await sql`update dead_letters set status = 'EXCUSED' where round_id = any(${ids}::text[]) and status = 'OPEN'`.execute(
    tx,
  );
  const counts = {
    rounds: rounds.length,
    predictions: Number(predictions.numAffectedRows ?? 0n),
    scores: Number(scores.numAffectedRows ?? 0n),
  };
  await tx
    .updateTable("voids")
    .set({ counts_jsonb: JSON.stringify(counts) })
    .where("id", "=", id)
    .execute();
  await tx
    .insertInto("audit_log")
    .values({
      actor,
      action: "rounds.void",
      subject: `void/${id}`,
      detail_jsonb: JSON.stringify({ ...span, reason, ...counts }),
    })
    .execute();
  return { id, ...counts };
}

export type VoidRow = Selectable<Voids>;

/** Newest first. */
export const listVoids = (db: Queryable, limit: number): Promise<VoidRow[]> =>
  db.selectFrom("voids").selectAll().orderBy("id", "desc").limit(limit).execute();
