import { sql } from "kysely";
import { roundId } from "../domain/ids.ts";
import { featureDue, tournamentScopeKey } from "../domain/tournament.ts";
import type { Database, Queryable } from "./database.ts";
import type { PredictionStatus } from "./schema.ts";
import { type TournamentRow, tournamentById } from "./tournament.ts";

export interface PostedTruth {
  index: number;
  truth: unknown;
}
interface PostResult {
  /** features that have another truth already: nothing was stored */
  conflicts: number[];
  /** features whose truth is new */
  stored: number[];
}

/** Scoring windows wait this long for the scores of a truth that was posted. */
const SCORE_WITHIN = "1 hour";

/**
 * Truths for some features, in one transaction. The same truth again changes nothing; another one for a feature that has its truth refuses
 * the whole body. The rounds of new truths are RESOLVED as of now. MISSED and VOIDED ones stay as they are. Call for a CLOSED or later
 * tournament round.
 */
export const postTruths = (
  db: Database,
  competition: string,
  tournament: TournamentRow,
  posted: readonly PostedTruth[],
): Promise<PostResult> =>
  db.transaction().execute(async (tx) => {
    await tx
      .selectFrom("tournament_rounds")
      .select("id")
      .where("id", "=", tournament.id)
      .forUpdate()
      .executeTakeFirstOrThrow(); // two bodies at once: one after the other
    const given = sql`jsonb_to_recordset(${JSON.stringify(posted.map((p) => rowOf(competition, tournament, p)))}::jsonb)
      as g(id text, feature_index int, truth jsonb)`;
    const conflicts = await sql<{ feature_index: number }>`
      select feature_index from ${given} join truths t on t.round_id = g.id and t.result_jsonb <> g.truth order by 1`.execute(
      tx,
    );
    if (conflicts.rows.length > 0) return { conflicts: conflicts.rows.map((r) => r.feature_index), stored: [] };
    const { rows } = await sql<{ feature_index: number }>`
      with moved as (
        update rounds r set status = 'RESOLVED', resolve_at = greatest(now(), r.due_at), give_up_at = greatest(now(), r.due_at) + ${SCORE_WITHIN}::interval
        from ${given} where r.id = g.id and r.status = 'WAITING' returning r.id, r.due_at, r.resolve_at, g.feature_index, g.truth
      ), told as (
        insert into truths (round_id, result_jsonb, evidence_jsonb) select id, truth, '{"posted": true}' from moved
      ), due as (
        update predictions p set resolvable_at = m.resolve_at from moved m where p.round_id = m.id and p.due_at = m.due_at
      )
      select feature_index from moved order by 1`.execute(tx);
    return { conflicts: [], stored: rows.map((r) => r.feature_index) };
  });

const rowOf = (competition: string, tournament: TournamentRow, { index, truth }: PostedTruth) => ({
  id: roundId({
    competition,
    scopeKey: tournamentScopeKey(tournament.id),
    dueMs: featureDue(tournament.created_at.getTime(), index),
  }),
  feature_index: index,
  truth,
});

/** What a model earned for a feature. */
export interface FeatureScore {
  feature_index: number;
  model_id: string;
  prediction_id: string;
  status: PredictionStatus;
  success: boolean;
  value: number | null;
  result: Record<string, unknown>;
  failed_reason: string | null;
}

/** Scores of some features, by feature_index and model. */
export async function featureScores(
  db: Queryable,
  tournamentId: string,
  indices: readonly number[],
): Promise<FeatureScore[]> {
  const tournament = await tournamentById(db, tournamentId);
  if (!tournament) return [];
  const created = tournament.created_at;
  const { rows } = await sql<FeatureScore>`
    select (r.scope_jsonb->>'feature_index')::int as feature_index, p.model_id, p.id as prediction_id, p.status, s.success, s.value,
      s.result_jsonb as result, s.failed_reason
    from unnest(${[...indices]}::int[]) i (n)
    join rounds r on r.tournament_id = ${tournamentId} and r.due_at = ${created}::timestamptz + i.n * interval '1 millisecond'
    join predictions p on p.round_id = r.id and p.due_at = r.due_at
    join scores s on s.round_id = r.id and s.due_at = r.due_at and s.model_id = p.model_id and s.current
    order by 1, 2`.execute(db);
  return rows;
}
