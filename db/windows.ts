import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Leaderboards, ScoringWindows, Snapshots } from "./schema.ts";

export type WindowRow = Selectable<ScoringWindows>;
/** Without what only proofs read: leaf hashes are 32 bytes a score. */
export type SnapshotRow = Omit<Selectable<Snapshots>, "leaf_hashes" | "scores_root">;

/** The row of a window is its outbox: reconcile starts the workflow of every one that is OPEN. */
export async function openWindow(db: Queryable, startMs: number, endMs: number): Promise<void> {
  await db
    .insertInto("scoring_windows")
    .values({ start_at: new Date(startMs), end_at: new Date(endMs), status: "OPEN" })
    .onConflict((c) => c.doNothing())
    .execute();
}

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
  /** 0 is the first; each correction of the same period has the next one and names the one before */
  revision: number;
  supersedes: string | null;
  /** scores with a value: `summary.value` times this is their sum */
  predictionCount: number;
  summary: Record<string, unknown>;
  meta: Record<string, unknown>;
  contentHash: string;
  scoresRoot: string;
  /** hashes of its scores end to end */
  leafHashes: Uint8Array;
}

/** A statement takes 65,535 values; a correction of many windows has more. */
const PAGE = 1_000;

/** `endMs`: the window that commits them; corrections are of earlier periods. */
export async function insertSnapshots(tx: Queryable, endMs: number, snapshots: readonly NewSnapshot[]): Promise<void> {
  for (let from = 0; from < snapshots.length; from += PAGE)
    await insertPage(tx, endMs, snapshots.slice(from, from + PAGE));
}

const insertPage = (tx: Queryable, endMs: number, snapshots: readonly NewSnapshot[]) =>
  tx
    .insertInto("snapshots")
    .values(
      snapshots.map((s) => ({
        id: s.id,
        model_id: s.modelId,
        window_end: new Date(endMs),
        period_start: new Date(s.periodStartMs),
        period_end: new Date(s.periodEndMs),
        revision: s.revision,
        prediction_count: s.predictionCount,
        result_summary_jsonb: JSON.stringify(s.summary),
        meta_jsonb: JSON.stringify(s.meta),
        content_hash: s.contentHash,
        scores_root: s.scoresRoot,
        leaf_hashes: s.leafHashes,
        supersedes: s.supersedes,
      })),
    )
    .execute();

/** The newest snapshot of each of some models for one period, by model. */
export async function newestRevisions(
  tx: Queryable,
  periodEnd: Date,
  models: readonly string[],
): Promise<ReadonlyMap<string, { id: string; revision: number }>> {
  const rows = await tx
    .selectFrom("snapshots")
    .select(["id", "model_id", "revision"])
    .distinctOn("model_id")
    .where("period_end", "=", periodEnd)
    .where("model_id", "in", [...models])
    .orderBy("model_id")
    .orderBy("revision", "desc")
    .execute();
  return new Map(rows.map(({ model_id, ...row }) => [model_id, row]));
}

/** The row of the window that ends there. The lock keeps a second builder out until the first is done. */
export const lockWindow = (tx: Queryable, endMs: number): Promise<WindowRow | undefined> =>
  tx.selectFrom("scoring_windows").selectAll().where("end_at", "=", new Date(endMs)).forUpdate().executeTakeFirst();

export type LeaderboardRow = Selectable<Leaderboards>;
export const lastCommittedWindow = (db: Queryable): Promise<WindowRow | undefined> =>
  db
    .selectFrom("scoring_windows")
    .selectAll()
    .where("status", "=", "COMMITTED")
    .orderBy("end_at", "desc")
    .limit(1)
    .executeTakeFirst();
