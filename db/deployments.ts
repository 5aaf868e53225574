import { sql } from "kysely";
import type { Database, Queryable } from "./database.ts";

/** A model as the orchestrator announces it. */
export interface AnnouncedModel {
  modelId: string;
  modelName: string;
  deploymentId: string;
  cruncherId: string;
  cruncherName: string;
  meta: Record<string, unknown>;
}

/** Keeps models and deployments as announced; models that are announced no more are STOPPED and owe no prediction. */
export async function recordFleet(db: Database, fleet: readonly AnnouncedModel[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const model of fleet) await recordModel(tx, model);
    const ids = fleet.map((m) => m.modelId);
    await tx
      .updateTable("models")
      .set({ state: "STOPPED", updated_at: sql`now()` })
      .where("virtual", "=", false)
      .where("state", "=", "RUNNING")
      .$if(ids.length > 0, (q) => q.where("id", "not in", ids))
      .execute();
  });
}

async function recordModel(tx: Queryable, m: AnnouncedModel): Promise<void> {
  const columns = {
    name: m.modelName,
    deployment_identifier: m.deploymentId,
    player_id: m.cruncherId,
    player_name: m.cruncherName,
    state: "RUNNING",
    meta_jsonb: JSON.stringify(m.meta),
  };
  await tx
    .insertInto("models")
    .values({ id: m.modelId, ...columns })
    .onConflict((c) => c.column("id").doUpdateSet({ ...columns, updated_at: sql`now()` }))
    .execute();
  await tx
    .insertInto("deployments")
    .values({ id: m.deploymentId, model_id: m.modelId })
    .onConflict((c) => c.column("id").doUpdateSet({ last_seen_at: sql`now()` }))
    .execute();
}

/** Models that owe an answer in each round. */
export const runningModels = (db: Queryable): Promise<{ id: string; deployment_identifier: string }[]> =>
  db
    .selectFrom("models")
    .select(["id", "deployment_identifier"])
    .where("state", "=", "RUNNING")
    .where("virtual", "=", false)
    .orderBy("id")
    .execute();
