import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import { correctScoreSums } from "../db/score-sums.ts";
import { scoresHeldBy } from "../db/window-scores.ts";
import { lockWindow, type NewSnapshot, newestRevisions } from "../db/windows.ts";
import { withLeaves } from "./score-leaf.ts";
import { FIRST, scoresByModel, snapshotsOf } from "./snapshots.ts";

/** A model's snapshot of an earlier window that is not what its scores say any more. */
interface Stale {
  model_id: string;
  window_end_ms: number;
}

/**
 * What came late, was replaced or was voided changes the snapshots of the windows in which those rounds resolved: each gets a new revision
 * that names the one it supersedes, and is committed with the present window. Nothing that was committed is touched.
 */
export async function correctSnapshots(
  tx: Queryable,
  competition: Competition,
  stale: readonly Stale[],
): Promise<NewSnapshot[]> {
  const byWindow = Map.groupBy(stale, (s) => s.window_end_ms);
  const corrections: NewSnapshot[] = [];
  for (const endMs of [...byWindow.keys()].sort((a, b) => a - b)) {
    const models = [...new Set(byWindow.get(endMs)!.map((s) => s.model_id))].sort();
    corrections.push(...(await correctWindow(tx, competition, endMs, models)));
  }
  return corrections;
}

async function correctWindow(
  tx: Queryable,
  competition: Competition,
  endMs: number,
  models: readonly string[],
): Promise<NewSnapshot[]> {
  const row = await lockWindow(tx, endMs);
  if (!row) return [];
  const window = { start: row.start_at, end: row.end_at };
  const scores = await scoresHeldBy(tx, window);
  await withLeaves(tx, scores);
  const held = scoresByModel(scores);
  const before = await newestRevisions(tx, window.end, models);
  const own = new Map(models.map((id) => [id, held.get(id) ?? []]));
  await correctScoreSums(tx, window, models);
  const span = { startMs: window.start.getTime(), endMs };
  return snapshotsOf(
    tx,
    competition,
    span,
    own,
    (modelId) => {
      const last = before.get(modelId);
      return last ? { revision: last.revision + 1, supersedes: last.id } : FIRST;
    },
    held,
  );
}
