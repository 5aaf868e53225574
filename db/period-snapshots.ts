import type { Queryable } from "./database.ts";

export interface PeriodWindow {
  start_at: Date;
  end_at: Date;
  status: "OPEN" | "COMMITTED";
}

/** Scoring windows that touch [start, end) or border on its end, oldest first. */
export const windowsOf = (db: Queryable, startMs: number, endMs: number): Promise<PeriodWindow[]> =>
  db
    .selectFrom("scoring_windows")
    .select(["start_at", "end_at", "status"])
    .where("end_at", ">", new Date(startMs))
    .where("start_at", "<", new Date(endMs))
    .orderBy("end_at")
    .execute();

export const firstWindowStart = async (db: Queryable): Promise<Date | null> =>
  (
    await db
      .selectFrom("scoring_windows")
      .select((eb) => eb.fn.min("start_at").as("start"))
      .executeTakeFirst()
  )?.start ?? null;

export interface PeriodSnapshot {
  id: string;
  model_id: string;
  model_name: string;
  cruncher_id: string;
  cruncher_name: string;
  content_hash: string;
  prediction_count: number;
  value: number | null;
  /** of the snapshot that this one corrects: it was counted before, here or in an earlier period */
  superseded_count: number | null;
  superseded_value: number | null;
}

/**
 * The snapshots that the windows ending in (start, end] committed, without virtual models, in order of id. A correction counts in the period
 * in which it was made, less what it corrects: what was sealed stays as it was.
 */
export async function snapshotsOfPeriod(db: Queryable, startMs: number, endMs: number): Promise<PeriodSnapshot[]> {
  const rows = await db
    .selectFrom("snapshots as s")
    .innerJoin("models as m", "m.id", "s.model_id")
    .leftJoin("snapshots as old", "old.id", "s.supersedes")
    .select([
      "s.id",
      "s.model_id",
      "m.name as model_name",
      "m.player_id as cruncher_id",
      "m.player_name as cruncher_name",
      "s.content_hash",
    ])
    .select(["s.prediction_count", "s.result_summary_jsonb as summary"])
    .select(["old.prediction_count as superseded_count", "old.result_summary_jsonb as superseded"])
    .where("s.window_end", ">", new Date(startMs))
    .where("s.window_end", "<=", new Date(endMs))
    .where("m.virtual", "=", false)
    .orderBy("s.id")
    .execute();
  return rows.map(({ summary, superseded, ...row }) => ({
    ...row,
    value: valueIn(summary),
    superseded_value: valueIn(superseded),
  }));
}

/** Every cruncher the node has seen, in order of registration. */
export async function crunchersInOrder(db: Queryable): Promise<{ id: string; name: string }[]> {
  const rows = await db
    .selectFrom("models")
    .select(["player_id as id"])
    .select((eb) => [eb.fn.min("player_name").as("name"), eb.fn.min("created_at").as("since")])
    .where("virtual", "=", false)
    .groupBy("player_id")
    .orderBy("since")
    .orderBy("player_id")
    .execute();
  return rows.map(({ id, name }) => ({ id, name }));
}

const valueIn = (summary: Record<string, unknown> | null): number | null =>
  typeof summary?.value === "number" && Number.isFinite(summary.value) ? summary.value : null;
