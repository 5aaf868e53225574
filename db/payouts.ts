import { type Selectable, sql, type Transaction } from "kysely";
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
  await tx
    .insertInto("payout_batches")
    .values(plans.map((plan) => columnsOf(checkpointId, plan)))
    .onConflict((oc) => oc.doNothing())
    .execute();
}

function columnsOf(checkpointId: string, plan: FrozenPlan) {
  const { payload } = plan;
  if (payload.kind === "memo") throw new TypeError(`part ${plan.part} of ${checkpointId} pays nobody`);
  const transfers = payload.kind === "claims" ? payload.claims : payload.transfers;
  const token = payload.kind === "tokenTransfers" ? payload.token : null;
  return {
    ...{ checkpoint_id: checkpointId, part: plan.part, marker: plan.key.address, hash: plan.hash },
    plan_jsonb: JSON.stringify(plan),
    recipients_jsonb: JSON.stringify(transfers),
    amount: String(transfers.reduce((sum, t) => sum + BigInt(t.amount), 0n)),
    ...{ mint: token?.mint ?? null, decimals: token?.decimals ?? null },
    status: "PLANNED" as const,
  };
}

/** In order of their parts. */
export const batchesOf = (db: Queryable, checkpointId: string): Promise<PayoutBatchRow[]> =>
  db.selectFrom("payout_batches").selectAll().where("checkpoint_id", "=", checkpointId).orderBy("part").execute();

export async function markBatchSent(db: Queryable, checkpointId: string, part: number): Promise<void> {
  await batch(db, checkpointId, part).set({ status: "SENT", cause: null }).where("status", "!=", "FINAL").execute();
}

export async function markBatchFinal(
  db: Queryable,
  checkpointId: string,
  part: number,
  signature: string | null,
): Promise<void> {
  await batch(db, checkpointId, part)
    .set({ status: "FINAL", tx_hash: signature, finished_at: new Date(), cause: null })
    .where("status", "!=", "FINAL")
    .execute();
}

/** Why a batch does not go on. */
export async function setBatchCause(db: Queryable, checkpointId: string, part: number, cause: string): Promise<void> {
  await batch(db, checkpointId, part)
    .set({ cause })
    .where("status", "!=", "FINAL")
    .where(sql<boolean>`cause is distinct from ${cause}`)
    .execute();
}

const batch = (db: Queryable, checkpointId: string, part: number) =>
  db.updateTable("payout_batches").where("checkpoint_id", "=", checkpointId).where("part", "=", part);
