import { type Selectable, sql } from "kysely";
import type { DecisionResult, RecordedDecision } from "../domain/decision.ts";
import type { Queryable } from "./database.ts";
import type { CheckpointDecisions } from "./schema.ts";

export type DecisionRow = Selectable<CheckpointDecisions>;

/** Writes down a decision and what came of it, or finds what its key was used for first: the result that stands. */
export async function insertDecision(
  db: Queryable,
  decision: RecordedDecision,
  result: DecisionResult,
  runId: string | null,
): Promise<DecisionResult> {
  const { key, checkpoint, action, actor, reason, body, statement, signature } = decision;
  await db
    .insertInto("checkpoint_decisions")
    .values({
      ...{ key, checkpoint_id: checkpoint, action, actor, reason, body, statement, signature },
      ...{ result_jsonb: JSON.stringify(result), workflow_run_id: runId },
    })
    .onConflict((oc) => oc.columns(["key", "checkpoint_id"]).doNothing())
    .execute();
  return (await decisionByKey(db, key, checkpoint))!.result_jsonb;
}

/** What a key was used for, on `checkpoint` or (absent) on any. */
export function decisionByKey(db: Queryable, key: string, checkpoint?: string): Promise<DecisionRow | undefined> {
  const query = db.selectFrom("checkpoint_decisions").selectAll().where("key", "=", key);
  return (checkpoint === undefined ? query : query.where("checkpoint_id", "=", checkpoint)).executeTakeFirst();
}

/** Oldest first. */
export const decisionsOf = (db: Queryable, checkpointId: string): Promise<DecisionRow[]> =>
  db
    .selectFrom("checkpoint_decisions")
    .selectAll()
    .where("checkpoint_id", "=", checkpointId)
    .orderBy("at")
    .orderBy("key")
    .execute();

/** The terms of an approval that begins now, by the database's clock. */
export async function openObjection(
  db: Queryable,
  id: string,
  approvalsNeeded: number,
  windowMs: number,
): Promise<void> {
  await db
    .updateTable("checkpoints")
    .set({
      approvals_needed: approvalsNeeded,
      objection_until: sql<Date>`now() + ${windowMs} * interval '1 millisecond'`,
    })
    .where("id", "=", id)
    .execute();
}

/** The version that an ETag names goes up: what people see of the checkpoint is another. */
export const touchCheckpoint = async (db: Queryable, id: string): Promise<void> => {
  await db
    .updateTable("checkpoints")
    .set((eb) => ({ version: eb("version", "+", 1) }))
    .where("id", "=", id)
    .execute();
};
