import type { Callees, ScheduledScope } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { latestLeaderboard, latestLeaderboardEnd } from "../db/leaderboards.ts";
import { calleesOf } from "../domain/callees.ts";
import { dueNumber } from "../domain/schedule.ts";

/** Whom a round of this scope and due time calls: ids, or null for everybody. */
export type CalleeRule = (scope: ScheduledScope, dueMs: number) => Promise<readonly string[] | null>;

/** How long a board is believed to be the newest before that is asked again. */
const BOARD_MS = 1_000;
/** Ensembles are no models that could be called. */
const VIRTUAL = "__ensemble_";

type Board = { modelId: string; rank: number }[];

/** The contract's rule over the newest leaderboard. What it says is stored with the round before anybody is called. */
export function calleeRule(db: Database, rule: Callees | undefined, now: () => number = Date.now): CalleeRule {
  if (rule?.kind !== "top") return async (scope, dueMs) => calleesOf(rule, dueNumber(scope, dueMs), null);
  let board: Board = [];
  let endMs: number | null = null;
  let askedMs = Number.NEGATIVE_INFINITY;

  const refresh = async (): Promise<void> => {
    const newest = (await latestLeaderboardEnd(db))?.getTime() ?? null;
    if (newest !== endMs) {
      const row = await latestLeaderboard(db);
      board = (row?.entries_jsonb ?? []).flatMap((e) =>
        e.model_id.startsWith(VIRTUAL) ? [] : [{ modelId: e.model_id, rank: e.rank }],
      );
      endMs = row?.window_end.getTime() ?? null;
    }
    askedMs = now();
  };
  return async (scope, dueMs) => {
    if (now() - askedMs >= BOARD_MS) await refresh();
    return calleesOf(rule, dueNumber(scope, dueMs), board);
  };
}
