import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { LeaderboardEntryRow } from "./schema.ts";
import type { LeaderboardRow } from "./windows.ts";

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

/** What the board says of a model beside its scores. */
export interface ListedModel {
  id: string;
  name: string;
  player_name: string;
}

export const listedModels = (db: Queryable, ids: readonly string[]): Promise<ListedModel[]> =>
  ids.length === 0
    ? Promise.resolve([])
    : db
        .selectFrom("models")
        .select(["id", "name", "player_name"])
        .where("id", "in", [...ids])
        .execute();

/** Ranks on the newest board before an instant, by model. */
export async function ranksBefore(db: Queryable, endMs: number): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ model_id: string; rank: number }>`
    select e->>'model_id' as model_id, (e->>'rank')::int as rank
    from (select entries_jsonb from leaderboards where window_end < ${new Date(endMs)} order by window_end desc limit 1) l,
      jsonb_array_elements(l.entries_jsonb) e`.execute(db);
  return new Map(rows.map((row) => [row.model_id, row.rank]));
}

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
