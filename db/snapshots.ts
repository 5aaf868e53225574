import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { SnapshotRow } from "./windows.ts";

const COLUMNS = [
  ...(["id", "model_id", "window_end", "period_start", "period_end", "revision", "prediction_count"] as const),
  ...(["result_summary_jsonb", "meta_jsonb", "content_hash", "supersedes", "created_at"] as const),
] as const satisfies (keyof SnapshotRow)[];

export interface SnapshotFilter {
  models?: readonly string[] | undefined;
  /** period ends, half-open */
  from?: Date | undefined;
  to?: Date | undefined;
  /** false: neither ensembles nor snapshots that a correction superseded; what an auditor counts is all of them */
  everything: boolean;
  limit: number;
}

/** The newest `limit` snapshots that match, oldest first. */
export async function listSnapshots(db: Queryable, filter: SnapshotFilter): Promise<SnapshotRow[]> {
  let query = db
    .selectFrom("snapshots")
    .select(COLUMNS)
    .orderBy("period_end", "desc")
    .orderBy("model_id", "desc")
    .orderBy("revision", "desc")
    .limit(filter.limit);
  if (!filter.everything)
    query = query
      .where("model_id", "not in", (eb) => eb.selectFrom("models").select("id").where("virtual", "=", true))
      .where(sql<boolean>`not exists (select from snapshots newer
        where newer.model_id = snapshots.model_id and newer.period_end = snapshots.period_end and newer.revision > snapshots.revision)`);
  if (filter.models) query = query.where("model_id", "in", [...filter.models]);
  if (filter.from) query = query.where("period_end", ">=", filter.from);
  if (filter.to) query = query.where("period_end", "<", filter.to);
  return (await query.execute()).reverse();
}

/** The newest snapshot of every model in a range of period ends, by model; `everything`: of ensembles, too. */
export async function latestSnapshots(db: Queryable, filter: Omit<SnapshotFilter, "limit">): Promise<SnapshotRow[]> {
  const { rows } = await sql<SnapshotRow>`
    select s.* from models m
    cross join lateral (
      select ${sql.join(COLUMNS.map((name) => sql.ref(name)))} from snapshots s where s.model_id = m.id
        and ${filter.from ? sql`s.period_end >= ${filter.from}` : sql`true`}
        and ${filter.to ? sql`s.period_end < ${filter.to}` : sql`true`}
      order by s.period_end desc, s.revision desc limit 1
    ) s
    where ${filter.models ? sql`m.id in (${sql.join(filter.models)})` : sql`true`} and ${filter.everything ? sql`true` : sql`not m.virtual`}
    order by m.id limit 1000`.execute(db);
  return rows;
}

/** Every snapshot that no correction superseded and whose period ends at or after an instant, in order of time. */
export async function currentSnapshots(
  db: Queryable,
  since: Date,
): Promise<Pick<SnapshotRow, "model_id" | "period_end" | "result_summary_jsonb">[]> {
  const { rows } = await sql<Pick<SnapshotRow, "model_id" | "period_end" | "result_summary_jsonb">>`
    select model_id, period_end, result_summary_jsonb from snapshots s
    where period_end >= ${since} and not exists (select from snapshots newer
      where newer.model_id = s.model_id and newer.period_end = s.period_end and newer.revision > s.revision)
    order by period_end, model_id collate "C"`.execute(db);
  return rows;
}
