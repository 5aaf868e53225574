import { sql, type Transaction } from "kysely";
import type { Attempt, FrozenPlan } from "../chain/port.ts";
import type { Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";

/** Stores the plan of an emission, or finds the one that was frozen before: it never changes. */
export async function storePlan(tx: Transaction<Schema>, checkpointId: string, plan: FrozenPlan): Promise<FrozenPlan> {
  await tx
    .insertInto("submissions")
    .values({
      ...{ checkpoint_id: checkpointId, genesis: plan.genesis, base_address: plan.base, key_marker: plan.key.address },
      ...{ content_marker: plan.content?.address ?? "", plan_jsonb: JSON.stringify(plan), plan_hash: plan.hash },
    })
    .onConflict((oc) => oc.column("checkpoint_id").doNothing())
    .execute();
  return (await planOf(tx, checkpointId, 0))!;
}

export interface StoredPlan {
  plan: FrozenPlan;
  /** greatest finalized slot that was read for it */
  contextSlot: string | null;
}

/** Part 0 is the emission, 1 and up the payout batches. */
export async function storedPlan(db: Queryable, checkpointId: string, part: number): Promise<StoredPlan | undefined> {
  const columns = ["plan_jsonb", "context_slot"] as const;
  const emission = db.selectFrom("submissions").select(columns).where("checkpoint_id", "=", checkpointId);
  const batch = db.selectFrom("payout_batches").select(columns).where("checkpoint_id", "=", checkpointId);
  const row = await (part === 0 ? emission.executeTakeFirst() : batch.where("part", "=", part).executeTakeFirst());
  return row && { plan: row.plan_jsonb as unknown as FrozenPlan, contextSlot: row.context_slot };
}

export const planOf = async (db: Queryable, checkpointId: string, part: number): Promise<FrozenPlan | undefined> =>
  (await storedPlan(db, checkpointId, part))?.plan;

/** Remembers that the chain was read as of `slot`; it never goes back. */
export async function noteSlot(db: Queryable, checkpointId: string, part: number, slot: string): Promise<void> {
  const later = sql<boolean>`(context_slot is null or context_slot < ${slot})`;
  const noted = { context_slot: slot };
  const emission = db.updateTable("submissions").set(noted).where("checkpoint_id", "=", checkpointId).where(later);
  const batches = db.updateTable("payout_batches").set(noted).where("checkpoint_id", "=", checkpointId).where(later);
  await (part === 0 ? emission.execute() : batches.where("part", "=", part).execute());
}

/** True when another plan's bytes, which may still land, live by this nonce; those of a voided checkpoint are never sent again. */
export async function nonceIsTaken(db: Queryable, nonce: string, checkpointId: string, part: number): Promise<boolean> {
  const other = await db
    .selectFrom("submission_attempts as a")
    .innerJoin("checkpoints as c", "c.id", "a.checkpoint_id")
    .select("a.n")
    .where("a.outcome", "is", null)
    .where("c.phase", "!=", "VOID")
    .where(sql<boolean>`a.lifetime_jsonb ->> 'nonce' = ${nonce}`)
    .where((eb) => eb.or([eb("a.checkpoint_id", "!=", checkpointId), eb("a.part", "!=", part)]))
    .limit(1)
    .executeTakeFirst();
  return other !== undefined;
}

/** Commits attempt n before it is ever sent. Where another worker was faster, its attempt is the one, and ours is never sent. */
export async function storeAttempt(
  tx: Transaction<Schema>,
  checkpointId: string,
  part: number,
  attempt: Attempt,
): Promise<Attempt> {
  await tx
    .insertInto("submission_attempts")
    .values({
      ...{ checkpoint_id: checkpointId, part, n: attempt.n, lifetime_jsonb: JSON.stringify(attempt.lifetime) },
      ...{ wire: attempt.wire, signature: attempt.id },
    })
    .onConflict((oc) => oc.doNothing())
    .execute();
  const stored = await attemptOf(tx, checkpointId, part, attempt.n);
  if (!stored) throw new Error(`${checkpointId}: signature ${attempt.id} is stored under another attempt`);
  return stored;
}

const attempts = (db: Queryable, checkpointId: string, part: number) =>
  db.selectFrom("submission_attempts").selectAll().where("checkpoint_id", "=", checkpointId).where("part", "=", part);

interface AttemptColumns {
  n: number;
  lifetime_jsonb: Record<string, unknown>;
  wire: string;
  signature: string;
}
const fromRow = (row: AttemptColumns): Attempt => ({
  ...{ n: row.n, wire: row.wire, id: row.signature, lifetime: row.lifetime_jsonb as unknown as Attempt["lifetime"] },
});

export async function attemptOf(
  db: Queryable,
  checkpointId: string,
  part: number,
  n: number,
): Promise<Attempt | undefined> {
  const row = await attempts(db, checkpointId, part).where("n", "=", n).executeTakeFirst();
  return row && fromRow(row);
}

export async function lastAttempt(db: Queryable, checkpointId: string, part: number): Promise<Attempt | undefined> {
  const row = await attempts(db, checkpointId, part).orderBy("n", "desc").limit(1).executeTakeFirst();
  return row && fromRow(row);
}

export async function markSent(db: Queryable, checkpointId: string, part: number, n: number): Promise<void> {
  await db
    .updateTable("submission_attempts")
    .set((eb) => ({ sent_at: eb.fn.coalesce("sent_at", eb.val(new Date())) }))
    .where("checkpoint_id", "=", checkpointId)
    .where("part", "=", part)
    .where("n", "=", n)
    .execute();
}

/** `signature` null: every attempt but none that landed is known (all are dead). */
export async function settleAttempts(
  db: Queryable,
  checkpointId: string,
  part: number,
  signature: string | null,
): Promise<void> {
  await db
    .updateTable("submission_attempts")
    .set((eb) => ({
      outcome: eb
        .case()
        .when("signature", "=", signature ?? "")
        .then("FINAL" as const)
        .else("DEAD" as const)
        .end(),
    }))
    .where("checkpoint_id", "=", checkpointId)
    .where("part", "=", part)
    .where("outcome", "is", null)
    .execute();
}
