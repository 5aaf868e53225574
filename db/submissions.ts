import type { Transaction } from "kysely";
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

/** Part 0 is the emission, 1 and up the payout batches. */
export async function planOf(db: Queryable, checkpointId: string, part: number): Promise<FrozenPlan | undefined> {
  const row =
    part === 0
      ? await db
          .selectFrom("submissions")
          .select("plan_jsonb")
          .where("checkpoint_id", "=", checkpointId)
          .executeTakeFirst()
      : await db
          .selectFrom("payout_batches")
          .select("plan_jsonb")
          .where("checkpoint_id", "=", checkpointId)
          .where("part", "=", part)
          .executeTakeFirst();
  return row?.plan_jsonb as unknown as FrozenPlan | undefined;
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
