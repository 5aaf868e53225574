import { sql } from "kysely";
import type { Queryable } from "./database.ts";

export interface MatrixRound {
  id: string;
  scope_key: string;
  due_at: Date;
}
/** One model's scores as packed cells, see CELL_BYTES. */
export interface PackedScores {
  model_id: string;
  cells: Buffer;
}

/** A cell, big-endian: int32 place of the round; float64 value, predicted, actual (NaN: none). */
export const CELL_BYTES = 4 + 3 * 8;

/** The newest `limit` scored rounds that resolved in [since, end), in order of (due time, id). */
export async function matrixRounds(
  db: Queryable,
  range: { since: Date; end: Date; limit: number },
): Promise<MatrixRound[]> {
  const { rows } = await sql<MatrixRound>`
    select * from (
      select id, scope_key, due_at from rounds
      where resolve_at >= ${range.since} and resolve_at < ${range.end} and status = 'SCORED'
      order by resolve_at desc, id collate "C" desc limit ${range.limit}
    ) r order by due_at, id collate "C"`.execute(db);
  return rows;
}

/**
 * The counted scores of these rounds by model, packed by the server: a hundred thousand scores are a few rows of bytes, and every number arrives
 * as the double it is. `deployments`: only the scores of each model's given deployment.
 */
export async function packedScores(
  db: Queryable,
  rounds: readonly MatrixRound[],
  deployments: ReadonlyMap<string, string> | null,
): Promise<PackedScores[]> {
  const own = deployments
    ? sql`join unnest(${[...deployments.keys()]}::text[], ${[...deployments.values()]}::text[]) d (model_id, deployment_id)
        on d.model_id = s.model_id and d.deployment_id = s.deployment_id`
    : sql``;
  const bytes = (column: string) => sql`float8send(coalesce(${sql.ref(column)}, 'NaN'))`;
  const { rows } = await sql<PackedScores>`
    select s.model_id, string_agg(int4send(r.place) || ${bytes("s.value")} || ${bytes("s.predicted")} || ${bytes("s.actual")}, ''::bytea) as cells
    from unnest(${rounds.map((r) => r.id)}::text[], ${rounds.map((r) => r.due_at)}::timestamptz[], ${rounds.map((_, i) => i)}::int[]) r (id, due_at, place)
    cross join lateral (
      select model_id, deployment_id, value, case when success then predicted end as predicted, case when success then actual end as actual from scores s
      where s.round_id = r.id and s.due_at = r.due_at and s.current and s.window_end is not null
      offset 0
    ) s
    ${own}
    group by s.model_id order by s.model_id`.execute(db);
  return rows;
}
