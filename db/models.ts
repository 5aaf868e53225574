import { sql } from "kysely";
import type { Queryable } from "./database.ts";

export interface ModelRow {
  id: string;
  name: string;
  deployment_identifier: string;
  player_id: string;
  player_name: string;
}

const MOST_MODELS = 1_000;

/** Every model ever announced, ensembles (virtual models) apart, by id. */
export const listModels = (db: Queryable): Promise<ModelRow[]> =>
  db
    .selectFrom("models")
    .select(["id", "name", "deployment_identifier", "player_id", "player_name"])
    .where("virtual", "=", false)
    .orderBy("id")
    .limit(MOST_MODELS)
    .execute();

/** The weakest isolation that a running model's runner announced; null: none announced any. */
export async function sandboxLevel(db: Queryable): Promise<string | null> {
  const level = sql<string | null>`meta_jsonb->>'sandbox'`;
  const rows = await db
    .selectFrom("models")
    .select(level.as("level"))
    .distinct()
    .where("state", "=", "RUNNING")
    .where("virtual", "=", false)
    .where(level, "is not", null)
    .execute();
  const known = rows.map((row) => row.level);
  return ["none", "unshare", "bwrap"].find((name) => known.includes(name)) ?? known[0] ?? null;
}
