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

/** How many scored rounds make a newcomer an ordinary model, and whether each deployment begins anew. */
export interface NewcomerRule {
  rounds: number;
  perDeployment: boolean;
}

/** A model that has not scored enough in so many of its newest rounds is still a newcomer; bounds what is read. */
const NEWCOMER_LOOK_BACK = 2_000;

/**
 * Ids of running models that are still provisional. Writes down, once and for good, which deployments are no longer: afterwards they cost
 * nothing to ask about.
 */
export async function provisionalModels(db: Queryable, rule: NewcomerRule): Promise<string[]> {
  if (rule.rounds === 0) return [];
  const own = rule.perDeployment ? sql`and d.id = m.deployment_identifier` : sql``;
  const ownRows = rule.perDeployment ? sql`and p.deployment_id = f.deployment_identifier` : sql``;
  const { rows } = await sql<{ id: string }>`
    with fresh as (
      select m.id, m.deployment_identifier from models m
      where m.state = 'RUNNING' and not m.virtual
        and not exists (select 1 from deployments d where d.model_id = m.id and d.established_at is not null ${own})
    ), counted as (
      select f.*, (
        select count(*) filter (where newest.status = 'SCORED') from (
          select p.status from predictions p where p.model_id = f.id ${ownRows} order by p.due_at desc limit ${NEWCOMER_LOOK_BACK}
        ) newest
      ) as scored from fresh f
    ), established as (
      update deployments d set established_at = now() from counted c
      where d.id = c.deployment_identifier and c.scored >= ${rule.rounds} and d.established_at is null
    )
    select id from counted where scored < ${rule.rounds} order by id`.execute(db);
  return rows.map((row) => row.id);
}
