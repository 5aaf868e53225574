import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import { currentSnapshots } from "../db/snapshots.ts";
import { peerBoard } from "../domain/compat/leaderboard.ts";
import type { Ranked } from "../domain/leaderboard.ts";
import type { RankedBoard } from "./board-ranks.ts";

const HOUR_MS = 3_600_000;

/**
 * The board as the public node ranks it (compat): snapshots count the same whatever they hold, an empty window is 0, metrics are those of the latest
 * snapshot, ties stand by the place in the list, ensembles among the models. It reads every snapshot of the longest window.
 */
export async function peerRanks(
  tx: Queryable,
  { windows, ranking }: Competition,
  endMs: number,
  board: RankedBoard,
): Promise<RankedBoard> {
  const longest = Math.max(...windows.map((w) => w.hours));
  const snapshots = await currentSnapshots(tx, new Date(endMs - longest * HOUR_MS));
  const aggregation = {
    windows: new Map(windows.map((w) => [w.name, w.hours])),
    valueField: "value",
    rankingKey: ranking.key,
    rankingDirection: ranking.direction,
  };
  const rows = peerBoard(
    snapshots.map((s) => ({
      modelId: s.model_id,
      periodEndUs: s.period_end.getTime() * 1_000,
      summary: s.result_summary_jsonb,
    })),
    aggregation,
    endMs * 1_000,
  );
  const known = new Map(board.rows.map((r) => [r.modelId, r]));
  return {
    rows: rows.flatMap((row): Ranked[] => {
      const own = known.get(row.modelId);
      if (!own) return [];
      const values = Object.entries(own.windows).map(([name, w]) => [
        name,
        { ...w, value: row.metrics.get(name) ?? 0 },
      ]);
      const metrics = Object.fromEntries([...row.metrics].filter(([name]) => !(name in own.windows)));
      const { rank, rankingValue } = row;
      return [{ ...own, windows: Object.fromEntries(values), metrics, overall: null, rank, rankingValue }];
    }),
    intervals: new Map(),
  };
}
