import { createHash } from "node:crypto";
import type { Database } from "../db/database.ts";
import { latestLeaderboard, latestLeaderboardEnd } from "../db/leaderboards.ts";
import type { LeaderboardRow } from "../db/windows.ts";
import { shareFor } from "./share.ts";

/** An answer as it is sent. */
export interface Prepared {
  body: string;
  etag: string;
}

/** For this long nobody asks the database whether a newer leaderboard is there. */
const FRESH_MS = 250;

/**
 * Prepared answers about the newest stored leaderboard, made once per scoring window. `make` is given null before the first one;
 * its answers are kept by `variant`.
 */
export function leaderboardCache(db: Database, now?: () => number) {
  let kept: { end: number | null; board: LeaderboardRow | null; answers: Map<string, Promise<Prepared>> } | null = null;
  const current = shareFor(
    FRESH_MS,
    async () => {
      const end = (await latestLeaderboardEnd(db))?.getTime() ?? null;
      if (kept?.end !== end || kept === null)
        kept = { end, board: (await latestLeaderboard(db)) ?? null, answers: new Map() };
      return kept;
    },
    now,
  );
  return async (variant: string, make: (board: LeaderboardRow | null) => unknown): Promise<Prepared> => {
    const { board, answers } = await current();
    const answer = answers.get(variant) ?? prepare(make, board);
    answers.set(variant, answer);
    answer.catch(() => answers.delete(variant));
    return answer;
  };
}

async function prepare(
  make: (board: LeaderboardRow | null) => unknown,
  board: LeaderboardRow | null,
): Promise<Prepared> {
  const body = JSON.stringify(await make(board));
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
}
