import { type RawBuilder, sql } from "kysely";
import type { PredictionFacts, RoundFacts, ScoreFacts } from "../proofs/from-rows.ts";
import type { Queryable } from "./database.ts";

/** What a round's record is made of, its truth included. */
const roundColumns = sql`r.id, r.scope_key, r.scope_jsonb, r.due_at, r.resolve_at, r.contract_hash, i.hash as input_hash,
  t.result_jsonb as truth, t.evidence_jsonb as truth_evidence`;

/** Undefined where the round has no truth. */
export const roundFacts = async (db: Queryable, roundId: string): Promise<RoundFacts | undefined> =>
  (await factsOfRounds(db, [roundId]))[0];

/** In the order of the ids; undefined where a round has no truth. */
export async function factsOfRounds(db: Queryable, ids: readonly string[]): Promise<(RoundFacts | undefined)[]> {
  const { rows } = await sql<RoundFacts>`
    select ${roundColumns} from rounds r join truths t on t.round_id = r.id left join inputs i on i.id = r.input_id
    where r.id = any(${[...ids]}::text[])`.execute(db);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}

/** A score with all that its record is made of. */
export interface ScoredFacts extends PredictionFacts, ScoreFacts {
  score_id: string;
  prediction_id: string;
  round: RoundFacts;
  current: boolean;
  leaf_hash: Buffer | null;
  /** end of the window whose snapshot holds it; null: none does */
  window_end: Date | null;
}
type FlatFacts = Omit<ScoredFacts, "round"> & RoundFacts;

/** Of a prediction that is gone the score itself says what there was. */
const factsWhere = async (db: Queryable, from: RawBuilder<unknown>): Promise<ScoredFacts[]> => {
  const { rows } = await sql<FlatFacts>`
    select ${roundColumns}, s.id as score_id, s.prediction_id, s.model_id, s.deployment_id, s.scorer_hash, s.value, s.success, s.failed_reason,
      s.result_jsonb, s.current, s.leaf_hash, s.window_end, coalesce(p.status, 'VOIDED') as status, p.reason, p.inference_output_jsonb
    from ${from}
    join rounds r on r.id = s.round_id left join truths t on t.round_id = r.id left join inputs i on i.id = r.input_id
    left join predictions p on p.round_id = s.round_id and p.model_id = s.model_id and p.due_at = s.due_at`.execute(db);
  return rows.map(({ id, scope_key, scope_jsonb, due_at, resolve_at, contract_hash, input_hash, ...row }) => {
    const { truth, truth_evidence, ...score } = row;
    const round = { id, scope_key, scope_jsonb, due_at, resolve_at, contract_hash, input_hash, truth, truth_evidence };
    return { ...score, round };
  });
};

/** The scores that count, of some models in some rounds. */
export const currentScoreFacts = (
  db: Queryable,
  keys: readonly { round_id: string; model_id: string; due_ms: number }[],
): Promise<ScoredFacts[]> =>
  factsWhere(
    db,
    sql`jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as k(round_id text, model_id text, due_ms float8)
      join scores s on s.round_id = k.round_id and s.model_id = k.model_id and s.due_at = to_timestamp(k.due_ms / 1000) and s.current`,
  );

/** Every version of one prediction's score, the one that counts first. */
export const scoreFactsOfPrediction = async (
  db: Queryable,
  key: { round_id: string; model_id: string; due_at: Date },
): Promise<ScoredFacts[]> =>
  (
    await factsWhere(
      db,
      sql`(select * from scores where round_id = ${key.round_id} and model_id = ${key.model_id} and due_at = ${key.due_at}) s`,
    )
  ).sort((a, b) => Number(b.current) - Number(a.current));

/** Keeps the leaf hashes of scores from before there were any. */
export async function storeLeafHashes(
  tx: Queryable,
  leaves: readonly { round_id: string; model_id: string; due_ms: number; leaf: string }[],
): Promise<void> {
  await sql`
    update scores s set leaf_hash = decode(k.leaf, 'hex')
    from jsonb_to_recordset(${JSON.stringify(leaves)}::jsonb) as k(round_id text, model_id text, due_ms float8, leaf text)
    where s.round_id = k.round_id and s.model_id = k.model_id and s.due_at = to_timestamp(k.due_ms / 1000) and s.current`.execute(
    tx,
  );
}
