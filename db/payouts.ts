import type { Selectable, Transaction } from "kysely";
import type { FrozenPlan } from "../chain/port.ts";
import type { Queryable } from "./database.ts";
import type { PayoutBatches, Schema } from "./schema.ts";

export type PayoutBatchRow = Selectable<PayoutBatches>;

/** Stores the batches of a checkpoint once; a second call changes nothing. */
export async function storeBatches(
  tx: Transaction<Schema>,
  checkpointId: string,
  plans: readonly FrozenPlan[],
): Promise<void> {
  if (plans.length === 0) return;
  const rows = plans.map((plan) => {
    const transfers = plan.payload.kind === "transfers" ? plan.payload.transfers : [];
    return {
      ...{
        checkpoint_id: checkpointId,
        part: plan.part,
        marker: plan.key.address,
        hash: plan.hash,
        plan_jsonb: JSON.stringify(plan),
      },
      ...{
        recipients_jsonb: JSON.stringify(transfers),
        amount: String(transfers.reduce((sum, t) => sum + BigInt(t.lamports), 0n)),
      },
      status: "PLANNED" as const,
    };
  });
  await tx
    .insertInto("payout_batches")
    .values(rows)
    .onConflict((oc) => oc.doNothing())
    .execute();
}

export const batchesOf = (db: Queryable, checkpointId: string): Promise<PayoutBatchRow[]> =>
  db.selectFrom("payout_batches").selectAll().where("checkpoint_id", "=", checkpointId).orderBy("part").execute();

/** Parts that are not final yet, in order. */
export async function openParts(db: Queryable, checkpointId: string): Promise<number[]> {
  const rows = await db
    .selectFrom("payout_batches")
    .select("part")
    .where("checkpoint_id", "=", checkpointId)
    .where("status", "!=", "FINAL")
    .orderBy("part")
    .execute();
  return rows.map((row) => row.part);
}

export async function markBatchSent(db: Queryable, checkpointId: string, part: number): Promise<void> {
  await batch(db, checkpointId, part).set({ status: "SENT" }).where("status", "=", "PLANNED").execute();
}

export async function markBatchFinal(
  db: Queryable,
  checkpointId: string,
  part: number,
  signature: string | null,
): Promise<void> {
  await batch(db, checkpointId, part)
    .set({ status: "FINAL", tx_hash: signature, finished_at: new Date() })
    .where("status", "!=", "FINAL")
    .execute();
}

const batch = (db: Queryable, checkpointId: string, part: number) =>
  db.updateTable("payout_batches").where("checkpoint_id", "=", checkpointId).where("part", "=", part);
