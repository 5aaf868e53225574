import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { LeaderboardRow } from "./windows.ts";

/** End of the scoring window that the newest stored leaderboard belongs to; null: none stored. Cheap: asked before every answer. */
export async function latestLeaderboardEnd(db: Queryable): Promise<Date | null> {
  const row = await db
    .selectFrom("leaderboards")
    .select("window_end")
    .orderBy("window_end", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.window_end ?? null;
}

export const latestLeaderboard = (db: Queryable): Promise<LeaderboardRow | undefined> =>
  db.selectFrom("leaderboards").selectAll().orderBy("window_end", "desc").limit(1).executeTakeFirst();

/**
 * The last board of each of `points` equal parts of what is stored in [from, to), oldest first: a series that stays small however long
 * the range, and dense however young the competition.
 */
export async function leaderboardSeries(
  db: Queryable,
  range: { from: Date; to: Date; points: number },
): Promise<LeaderboardRow[]> {
  const { rows } = await sql<LeaderboardRow>`
    with ends as (select window_end from leaderboards where window_end >= ${range.from} and window_end < ${range.to}),
      span as (select min(window_end) as low, greatest((max(window_end) - min(window_end)) / ${range.points}, interval '1 millisecond') as width from ends)
    select l.* from leaderboards l
    where l.window_end in (select max(window_end) from ends, span group by date_bin(span.width, window_end, span.low))
    order by l.window_end limit ${range.points + 1}`.execute(db);
  return rows;
}
