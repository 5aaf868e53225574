import type { Selectable } from "kysely";
import type { Queryable } from "./database.ts";
import type { Snapshots } from "./schema.ts";

/** A snapshot with the hashes of its scores. */
export type SnapshotProofRow = Selectable<Snapshots>;

export const snapshotById = (db: Queryable, id: string): Promise<SnapshotProofRow | undefined> =>
  db.selectFrom("snapshots").selectAll().where("id", "=", id).executeTakeFirst();

/** All revisions of a model's snapshot for the window that ends there, the newest first. */
export const revisionsOf = (db: Queryable, modelId: string, periodEnd: Date): Promise<SnapshotProofRow[]> =>
  db
    .selectFrom("snapshots")
    .selectAll()
    .where("model_id", "=", modelId)
    .where("period_end", "=", periodEnd)
    .orderBy("revision", "desc")
    .execute();

/** What the public node's tree of a window is made of. */
export const peerRowsOf = async (db: Queryable, windowEnd: Date) => {
  const rows = await db
    .selectFrom("snapshots")
    .select(["id", "model_id", "period_start", "period_end", "prediction_count", "result_summary_jsonb"])
    .where("window_end", "=", windowEnd)
    .execute();
  return rows.map(({ result_summary_jsonb: result_summary, ...row }) => ({ ...row, result_summary }));
};
