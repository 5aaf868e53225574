import { type Selectable, sql, type Transaction } from "kysely";
import {
  attemptOfStep,
  type CheckpointPhase,
  type CheckpointStatus,
  isLegal,
  isSubmitted,
  isTrouble,
  publicStatus,
} from "../domain/checkpoint.ts";
import type { DecisionResult, RecordedDecision } from "../domain/decision.ts";
import type { Queryable } from "./database.ts";
import { insertDecision } from "./decisions.ts";
import type { Checkpoints, CheckpointTransitions, Schema } from "./schema.ts";

export type CheckpointRow = Selectable<Checkpoints>;
export type TransitionRow = Selectable<CheckpointTransitions>;

export interface SealedCheckpoint {
  id: string;
  startMs: number;
  endMs: number;
  /** BLOCKED where the emission cannot be made yet; `cause` says why */
  phase: "SEALED" | "BLOCKED";
  cause: string | null;
  entries: readonly unknown[];
  emission: object;
  meta: object;
  merkleRoot: string;
  /** empty while BLOCKED */
  emissionHash: string;
}

export interface Actor {
  actor: string;
  cause: string;
  runId?: string | null;
  activityAttempt?: number | null;
  /** what a person decided, written down with the step */
  decision?: RecordedDecision;
}

export interface Transition extends Actor {
  checkpointId: string;
  from: CheckpointPhase;
  to: CheckpointPhase;
  /** the chain attempt before the step; a step back is counted under the next one */
  attempt: number;
  txHash?: string | null;
}

export class IllegalTransition extends Error {
  override name = "IllegalTransition";
}

const FIRST_ATTEMPT = 1;

/** Inserts the checkpoint of a period, or finds the one that is there: a period is sealed once. */
export async function insertSealed(
  tx: Transaction<Schema>,
  sealed: SealedCheckpoint,
  by: Actor,
): Promise<CheckpointRow> {
  const inserted = await tx
    .insertInto("checkpoints")
    .values({
      id: sealed.id,
      period_start: new Date(sealed.startMs),
      period_end: new Date(sealed.endMs),
      status: publicStatus(sealed.phase),
      ...sealedColumns(sealed),
    })
    .onConflict((oc) => oc.column("period_end").doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!inserted)
    return tx
      .selectFrom("checkpoints")
      .selectAll()
      .where("period_end", "=", new Date(sealed.endMs))
      .executeTakeFirstOrThrow();
  await tx
    .insertInto("checkpoint_transitions")
    .values({
      ...{
        checkpoint_id: sealed.id,
        from_phase: "NONE",
        to_phase: sealed.phase,
        from_status: "NONE",
        to_status: inserted.status,
      },
      ...{ chain_attempt: FIRST_ATTEMPT, ...byColumns(by), tx_hash: null },
    })
    .execute();
  return inserted;
}

/** Replaces what a BLOCKED seal could not decide. True when it did; nothing that has an emission is ever replaced. */
export async function replaceBlockedSeal(tx: Transaction<Schema>, sealed: SealedCheckpoint): Promise<boolean> {
  const { phase: _, ...columns } = sealedColumns(sealed);
  const { numUpdatedRows } = await tx
    .updateTable("checkpoints")
    .set(columns)
    .where("id", "=", sealed.id)
    .where("phase", "=", "BLOCKED")
    .where("emission_hash", "=", "")
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/**
 * One step: compare-and-set on the phase, and one row in the log. "already" when this very step of this attempt was made before. Throws
 * IllegalTransition (and leaves the transaction to be rolled back) when the table forbids it or the phase is another by now.
 */
export async function transition(tx: Transaction<Schema>, step: Transition): Promise<"moved" | "already"> {
  const { checkpointId, from, to, txHash = null } = step;
  if (!isLegal(from, to)) throw new IllegalTransition(`${checkpointId}: ${from} may not become ${to}`);
  const attempt = attemptOfStep(from, to, step.attempt);
  const logged = await tx
    .insertInto("checkpoint_transitions")
    .values({
      ...{
        checkpoint_id: checkpointId,
        from_phase: from,
        to_phase: to,
        from_status: publicStatus(from),
        to_status: publicStatus(to),
      },
      ...{ chain_attempt: attempt, ...byColumns(step), tx_hash: txHash },
    })
    .onConflict((oc) => oc.columns(["checkpoint_id", "from_phase", "to_phase", "chain_attempt"]).doNothing())
    .executeTakeFirst();
  if (logged.numInsertedOrUpdatedRows === 0n) return "already";
  const { numUpdatedRows } = await tx
    .updateTable("checkpoints")
    .set((eb) => ({
      phase: to,
      status: publicStatus(to),
      cause: isTrouble(to) || to === "VOID" ? step.cause : null,
      version: eb("version", "+", 1),
      tx_hash: shownHash(to, txHash, eb.ref("tx_hash")),
      ...(to === "FINAL" ? { submitted_at: new Date() } : {}),
    }))
    .where("id", "=", checkpointId)
    .where("phase", "=", from)
    .where(
      sql<boolean>`not exists (select 1 from checkpoint_transitions t where t.checkpoint_id = ${checkpointId} and t.chain_attempt > ${attempt})`,
    )
    .executeTakeFirst();
  if (numUpdatedRows !== 1n)
    throw new IllegalTransition(
      `${checkpointId} is not ${from} in attempt ${step.attempt} any more; it cannot become ${to}`,
    );
  if (step.decision) await insertDecision(tx, step.decision, resultOf(step.decision, to), step.runId ?? null);
  return "moved";
}

const resultOf = ({ checkpoint, action, actor }: RecordedDecision, phase: CheckpointPhase): DecisionResult => ({
  ...{ id: checkpoint, action, actor, phase, status: publicStatus(phase), waits_for: null },
});

/** A transaction is shown from the moment the cluster has seen it; one that a fork took back is not. */
const shownHash = <T>(to: CheckpointPhase, txHash: string | null, current: T): T | string | null =>
  to === "SEEN" || to === "FINAL" ? (txHash ?? current) : isSubmitted(to) ? current : null;

/** Why a checkpoint that nobody has to decide about does not go on (no phase of its own: SUBMITTED never goes back); null clears it. */
export async function setCause(db: Queryable, id: string, cause: string | null): Promise<void> {
  await db
    .updateTable("checkpoints")
    .set((eb) => ({ cause, version: eb("version", "+", 1) }))
    .where("id", "=", id)
    .where("phase", "in", ["PLANNED", "SIGNED", "SENT", "SEEN", "FINAL", "CLAIMABLE", "PAYING"])
    .where("cause", "is distinct from", cause)
    .execute();
}

export const chainAttemptOf = async (db: Queryable, id: string): Promise<number> => {
  const query = db.selectFrom("checkpoint_transitions").select((eb) => eb.fn.max("chain_attempt").as("attempt"));
  const row = await query.where("checkpoint_id", "=", id).executeTakeFirst();
  return row?.attempt ?? FIRST_ATTEMPT;
};

export const checkpointById = (db: Queryable, id: string): Promise<CheckpointRow | undefined> =>
  db.selectFrom("checkpoints").selectAll().where("id", "=", id).executeTakeFirst();

export const checkpointByEnd = (db: Queryable, endMs: number): Promise<CheckpointRow | undefined> =>
  db.selectFrom("checkpoints").selectAll().where("period_end", "=", new Date(endMs)).executeTakeFirst();

/** What a list shows; the stored history is large and read one at a time. */
const LISTED = [
  ...([
    "id",
    "period_start",
    "period_end",
    "status",
    "phase",
    "cause",
    "version",
    "entries_jsonb",
    "emission_jsonb",
    "meta_jsonb",
    "approvals_needed",
    "objection_until",
  ] as const),
  ...(["merkle_root", "emission_hash", "created_at", "tx_hash", "submitted_at"] as const),
] as const;
export type ListedCheckpoint = Pick<CheckpointRow, (typeof LISTED)[number]>;

/** Newest first. Without `status`, VOID ones are left out unless they are asked for. */
export async function listCheckpoints(
  db: Queryable,
  filter: { status?: CheckpointStatus | undefined; limit: number; before?: Date | undefined; withVoid?: boolean },
): Promise<ListedCheckpoint[]> {
  let query = db.selectFrom("checkpoints").select(LISTED).orderBy("period_end", "desc").limit(filter.limit);
  if (filter.before) query = query.where("period_end", "<", filter.before);
  if (filter.status) query = query.where("status", "=", filter.status);
  else if (!filter.withVoid) query = query.where("status", "!=", "VOID");
  return query.execute();
}

export const latestCheckpoint = async (db: Queryable): Promise<ListedCheckpoint | undefined> =>
  (await listCheckpoints(db, { limit: 1 }))[0];

export const checkpointHistory = async (db: Queryable, id: string): Promise<unknown> =>
  (await db.selectFrom("checkpoints").select("history_jsonb").where("id", "=", id).executeTakeFirst())?.history_jsonb ??
  null;

/** In the order in which they happened. */
export const transitionsOf = (db: Queryable, id: string): Promise<TransitionRow[]> =>
  db.selectFrom("checkpoint_transitions").selectAll().where("checkpoint_id", "=", id).orderBy("id").execute();

/** Oldest first. */
export const openCheckpoints = (
  db: Queryable,
  limit: number,
): Promise<Pick<CheckpointRow, "id" | "period_start" | "period_end">[]> =>
  db
    .selectFrom("checkpoints")
    .select(["id", "period_start", "period_end"])
    .where("phase", "not in", ["PAID", "VOID"])
    .orderBy("period_end")
    .limit(limit)
    .execute();

export const lastPeriodEnd = async (db: Queryable): Promise<Date | null> =>
  (
    await db
      .selectFrom("checkpoints")
      .select((eb) => eb.fn.max("period_end").as("end"))
      .executeTakeFirst()
  )?.end ?? null;

export const checkpointsWithoutHistory = (
  db: Queryable,
  limit: number,
): Promise<Pick<CheckpointRow, "id" | "period_end">[]> =>
  db
    .selectFrom("checkpoints")
    .select(["id", "period_end"])
    .where("phase", "in", ["PAID", "VOID"])
    .where("history_jsonb", "is", null)
    .orderBy("period_end")
    .limit(limit)
    .execute();

export async function storeHistory(db: Queryable, id: string, history: unknown): Promise<void> {
  await db
    .updateTable("checkpoints")
    .set({ history_jsonb: JSON.stringify(history) })
    .where("id", "=", id)
    .execute();
}

const sealedColumns = (sealed: SealedCheckpoint) => ({
  phase: sealed.phase,
  cause: sealed.cause,
  entries_jsonb: JSON.stringify(sealed.entries),
  emission_jsonb: JSON.stringify(sealed.emission),
  meta_jsonb: JSON.stringify(sealed.meta),
  merkle_root: sealed.merkleRoot,
  emission_hash: sealed.emissionHash,
});

const byColumns = ({ actor, cause, runId = null, activityAttempt = null }: Actor) => ({
  ...{ actor, cause, workflow_run_id: runId, activity_attempt: activityAttempt },
});
