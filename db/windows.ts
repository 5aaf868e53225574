import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { LeaderboardEntryRow, Leaderboards, MerkleCycles, ScoringWindows, Snapshots } from "./schema.ts";

export type WindowRow = Selectable<ScoringWindows>;
export type SnapshotRow = Selectable<Snapshots>;

/** The row of a window is its outbox: reconcile starts the workflow of every one that is OPEN. */
export async function openWindow(db: Queryable, startMs: number, endMs: number): Promise<void> {
  await db
    .insertInto("scoring_windows")
    .values({ start_at: new Date(startMs), end_at: new Date(endMs), status: "OPEN" })
    .onConflict((c) => c.doNothing())
    .execute();
}

export const windowByEnd = (db: Queryable, endMs: number): Promise<WindowRow | undefined> =>
  db.selectFrom("scoring_windows").selectAll().where("end_at", "=", new Date(endMs)).executeTakeFirst();

export const lastWindow = (db: Queryable): Promise<WindowRow | undefined> =>
  db.selectFrom("scoring_windows").selectAll().orderBy("end_at", "desc").limit(1).executeTakeFirst();

export const openWindows = (db: Queryable, limit: number): Promise<WindowRow[]> =>
  db.selectFrom("scoring_windows").selectAll().where("status", "=", "OPEN").orderBy("end_at").limit(limit).execute();

/** Rounds that resolve inside the window and whose work is not done. */
export async function unfinishedRounds(
  db: Queryable,
  startMs: number,
  endMs: number,
): Promise<{ id: string; give_up_at: Date }[]> {
  return db
    .selectFrom("rounds")
    .select(["id", "give_up_at"])
    .where("resolve_at", ">=", new Date(startMs))
    .where("resolve_at", "<", new Date(endMs))
    .where("status", "in", ["COLLECTING", "WAITING", "RESOLVED"])
    .limit(1_000)
    .execute();
}

/** When the next round that can be scored resolves, at or after an instant; null: none is known. */
export async function nextResolveAt(db: Queryable, fromMs: number): Promise<number | null> {
  const row = await db
    .selectFrom("rounds")
    .select("resolve_at")
    .where("resolve_at", ">=", new Date(fromMs))
    .where("status", "not in", ["MISSED", "VOIDED"])
    .orderBy("resolve_at")
    .limit(1)
    .executeTakeFirst();
  return row ? row.resolve_at.getTime() : null;
}

/** Windows are committed in order: true where an earlier one is still open. */
export async function earlierWindowOpen(db: Queryable, endMs: number): Promise<boolean> {
  const row = await db
    .selectFrom("scoring_windows")
    .select("end_at")
    .where("status", "=", "OPEN")
    .where("end_at", "<", new Date(endMs))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Takes the window for this transaction; false: it was committed before. */
export async function commitWindow(tx: Queryable, endMs: number, counts: Record<string, number>): Promise<boolean> {
  const result = await tx
    .updateTable("scoring_windows")
    .set({ status: "COMMITTED", committed_at: sql`now()`, counts_jsonb: JSON.stringify(counts) })
    .where("end_at", "=", new Date(endMs))
    .where("status", "=", "OPEN")
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export interface NewSnapshot {
  id: string;
  modelId: string;
  periodStartMs: number;
  periodEndMs: number;
  predictionCount: number;
  summary: Record<string, unknown>;
  meta: Record<string, unknown>;
  contentHash: string;
}

export async function insertSnapshots(tx: Queryable, endMs: number, snapshots: readonly NewSnapshot[]): Promise<void> {
  if (snapshots.length === 0) return;
  await tx
    .insertInto("snapshots")
    .values(
      snapshots.map((s) => ({
        id: s.id,
        model_id: s.modelId,
        window_end: new Date(endMs),
        period_start: new Date(s.periodStartMs),
        period_end: new Date(s.periodEndMs),
        prediction_count: s.predictionCount,
        result_summary_jsonb: JSON.stringify(s.summary),
        meta_jsonb: JSON.stringify(s.meta),
        content_hash: s.contentHash,
        supersedes: null,
      })),
    )
    .execute();
}

/** Per model (summed in order of time, so that equal histories have equal sums to the last bit): means of `value` over the snapshots since each instant, every prediction counting once, and how far back they reach. */
export interface WindowMean {
  model_id: string;
  value: number | null;
  predictions: number;
  first_period_start: Date;
}

export async function windowMeans(db: Queryable, sinceMs: number, untilMs: number): Promise<WindowMean[]> {
  const { rows } = await sql<WindowMean>`
    select model_id,
      sum((result_summary_jsonb->>'value')::float8 * prediction_count order by period_end, revision) / nullif(sum(prediction_count) filter (where result_summary_jsonb->>'value' is not null), 0) as value,
      sum(prediction_count)::int as predictions, min(period_start) as first_period_start
    from snapshots s
    where period_end > ${new Date(sinceMs)} and period_end <= ${new Date(untilMs)}
      and not exists (select 1 from snapshots newer where newer.supersedes = s.id)
    group by model_id`.execute(db);
  return rows;
}

export async function insertLeaderboard(
  tx: Queryable,
  board: { id: string; endMs: number; entries: readonly LeaderboardEntryRow[]; meta: Record<string, unknown> },
): Promise<void> {
  await tx
    .insertInto("leaderboards")
    .values({
      id: board.id,
      window_end: new Date(board.endMs),
      entries_jsonb: JSON.stringify(board.entries),
      meta_jsonb: JSON.stringify(board.meta),
    })
    .execute();
}

export type LeaderboardRow = Selectable<Leaderboards>;
export type CycleRow = Selectable<MerkleCycles>;

export const lastCycle = (db: Queryable): Promise<CycleRow | undefined> =>
  db.selectFrom("merkle_cycles").selectAll().orderBy("window_end", "desc").limit(1).executeTakeFirst();

export async function insertCycle(
  tx: Queryable,
  cycle: {
    id: string;
    endMs: number;
    previous: CycleRow | undefined;
    root: string;
    chainedRoot: string;
    count: number;
  },
): Promise<void> {
  await tx
    .insertInto("merkle_cycles")
    .values({
      id: cycle.id,
      window_end: new Date(cycle.endMs),
      previous_cycle_id: cycle.previous?.id ?? null,
      previous_cycle_root: cycle.previous?.chained_root ?? null,
      snapshots_root: cycle.root,
      chained_root: cycle.chainedRoot,
      snapshot_count: cycle.count,
    })
    .execute();
}

/** Names for the leaderboard's rows. */
export const modelNames = (
  db: Queryable,
  ids: readonly string[],
): Promise<{ id: string; name: string; player_name: string }[]> =>
  ids.length === 0
    ? Promise.resolve([])
    : db
        .selectFrom("models")
        .select(["id", "name", "player_name"])
        .where("id", "in", [...ids])
        .execute();

export const lastCommittedWindow = (db: Queryable): Promise<WindowRow | undefined> =>
  db
    .selectFrom("scoring_windows")
    .selectAll()
    .where("status", "=", "COMMITTED")
    .orderBy("end_at", "desc")
    .limit(1)
    .executeTakeFirst();
