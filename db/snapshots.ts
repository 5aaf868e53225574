import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { SnapshotRow } from "./windows.ts";

export interface SnapshotFilter {
  models?: readonly string[] | undefined;
  /** period ends, half-open */
  from?: Date | undefined;
  to?: Date | undefined;
  limit: number;
}

/** The newest `limit` snapshots that match, oldest first. */
export async function listSnapshots(db: Queryable, filter: SnapshotFilter): Promise<SnapshotRow[]> {
  let query = db
    .selectFrom("snapshots")
    .selectAll()
    .orderBy("period_end", "desc")
    .orderBy("model_id", "desc")
    .orderBy("revision", "desc")
    .limit(filter.limit);
  if (filter.models) query = query.where("model_id", "in", [...filter.models]);
  if (filter.from) query = query.where("period_end", ">=", filter.from);
  if (filter.to) query = query.where("period_end", "<", filter.to);
  return (await query.execute()).reverse();
}

/** The newest snapshot of every model in a range of period ends, by model. */
export async function latestSnapshots(db: Queryable, filter: Omit<SnapshotFilter, "limit">): Promise<SnapshotRow[]> {
  const { rows } = await sql<SnapshotRow>`
    select s.* from models m
    cross join lateral (
      select * from snapshots s where s.model_id = m.id
        and ${filter.from ? sql`s.period_end >= ${filter.from}` : sql`true`}
        and ${filter.to ? sql`s.period_end < ${filter.to}` : sql`true`}
      order by s.period_end desc, s.revision desc limit 1
    ) s
    where ${filter.models ? sql`m.id in (${sql.join(filter.models)})` : sql`true`}
    order by m.id limit 1000`.execute(db);
  return rows;
}

/** How many predictions of each model were counted without a valid answer, over snapshots that end after `since`. */
export async function missedSince(db: Queryable, since: Date): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ model_id: string; missed: number }>`
    select model_id, coalesce(sum((result_summary_jsonb->>'missed')::int), 0)::int as missed
    from snapshots where period_end > ${since} group by model_id`.execute(db);
  return new Map(rows.map((row) => [row.model_id, row.missed]));
}
