import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";
import { type LeafOf, type NewScore, scoreColumns } from "./scores.ts";

export type WeightRow = Selectable<Schema["ensemble_weights"]>;
export type ErrorRow = Selectable<Schema["ensemble_errors"]>;

/** Weights that hold at an instant or later, by name and in order of time: the newest row at or before it, and all after. */
export async function weightsSince(db: Queryable, names: readonly string[], since: Date): Promise<WeightRow[]> {
  const { rows } = await sql<WeightRow>`
    select w.* from unnest(${[...names]}::text[]) n (name)
    join ensemble_weights w on w.name = n.name and w.from_at >= coalesce(
      (select max(from_at) from ensemble_weights e where e.name = n.name and e.from_at <= ${since}), ${since}::timestamptz)
    order by w.name, w.from_at`.execute(db);
  return rows;
}

/** Stores an ensemble's weights from an instant on, where they are others than before. */
export async function storeWeights(
  tx: Queryable,
  name: string,
  from: Date,
  weights: Readonly<Record<string, number>>,
): Promise<void> {
  await sql`
    insert into ensemble_weights (name, from_at, weights_jsonb)
    select ${name}, ${from}::timestamptz, ${JSON.stringify(weights)}::jsonb
    where ${JSON.stringify(weights)}::jsonb is distinct from
      (select weights_jsonb from ensemble_weights where name = ${name} and from_at < ${from} order by from_at desc limit 1)
    on conflict do nothing`.execute(tx);
}

/** Forgets weights that no round of the longest window was made with; the newest before the instant still holds. */
export async function dropWeights(tx: Queryable, before: Date): Promise<void> {
  await sql`
    delete from ensemble_weights w where from_at < ${before}
      and exists (select 1 from ensemble_weights n where n.name = w.name and n.from_at > w.from_at and n.from_at <= ${before})`.execute(
    tx,
  );
}

export const errorStates = (tx: Queryable): Promise<ErrorRow[]> =>
  tx.selectFrom("ensemble_errors").selectAll().orderBy("scope_key").orderBy("model_id").execute();

export async function storeErrorStates(tx: Queryable, states: readonly ErrorRow[]): Promise<void> {
  await sql`
    insert into ensemble_errors (scope_key, model_id, n, mean, m2)
    select scope_key, model_id, n, mean, m2 from jsonb_to_recordset(${JSON.stringify(states)}::jsonb)
      as s(scope_key text, model_id text, n int, mean float8, m2 float8)
    on conflict (scope_key, model_id) do update set n = excluded.n, mean = excluded.mean, m2 = excluded.m2`.execute(tx);
}

/** Ensembles are models that nobody runs and nobody is paid for. */
export async function recordVirtualModels(
  db: Queryable,
  models: readonly { id: string; name: string }[],
): Promise<void> {
  for (const { id, name } of models)
    await db
      .insertInto("models")
      .values({ id, name, deployment_identifier: "", player_id: "", player_name: "", virtual: true })
      .onConflict((c) => c.doNothing())
      .execute();
}

/** A round that ensembles are made of, with the answers of its members. */
export interface EnsembleRound {
  id: string;
  scope_key: string;
  scope_jsonb: Record<string, unknown>;
  due_at: Date;
  resolve_at: Date;
  contract_hash: string;
  collected_at: Date;
  input_hash: string | null;
  truth: Record<string, unknown>;
  truth_evidence: Record<string, unknown>;
  outputs: Record<string, Record<string, unknown>>;
}

/** Scored rounds whose scores no window holds yet, that resolved before `end`, at most `limit` after the given one in order of (due time, id). */
export async function ensembleRounds(
  db: Queryable,
  end: Date,
  after: { due: Date; id: string },
  limit: number,
): Promise<EnsembleRound[]> {
  const { rows } = await sql<EnsembleRound>`
    select r.id, r.scope_key, r.scope_jsonb, r.due_at, r.resolve_at, r.contract_hash, coalesce(r.collected_at, r.due_at) as collected_at,
      i.hash as input_hash, t.result_jsonb as truth, t.evidence_jsonb as truth_evidence,
      (select coalesce(jsonb_object_agg(p.model_id, p.inference_output_jsonb), '{}') from predictions p join models m on m.id = p.model_id and not m.virtual
        where p.round_id = r.id and p.due_at = r.due_at and p.status = 'SCORED' and p.inference_output_jsonb is not null) as outputs
    from (select distinct round_id from scores where window_end is null and current and not counted_before and resolved_at < ${end}) s
    cross join lateral (select * from rounds where id = s.round_id and status = 'SCORED' offset 0) r
    join truths t on t.round_id = r.id left join inputs i on i.id = r.input_id
    where (r.due_at, r.id collate "C") > (${after.due}, ${after.id} collate "C")
    order by r.due_at, r.id collate "C" limit ${limit}`.execute(db);
  return rows;
}

/** One ensemble's answer in one round and what it scored. */
export interface EnsembleRow {
  round: Omit<EnsembleRound, "outputs">;
  configId: string;
  output: unknown;
  weights: Readonly<Record<string, number>>;
  score: NewScore;
  leaf: LeafOf;
}

/** Stores ensembles' predictions and scores together; what is there already stays as it is. */
export async function storeEnsembleRows(db: Queryable, rows: readonly EnsembleRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(rows.map(flat))}::jsonb) as g(id text, round_id text, model_id text, config_id text,
        scope_key text, scope jsonb, output jsonb, weights jsonb, performed_at timestamptz, resolve_at timestamptz, due_at timestamptz,
        score jsonb)
    ), answered as (
      insert into predictions (id, round_id, model_id, deployment_id, prediction_config_id, scope_key, scope_jsonb, status,
        inference_output_jsonb, meta_jsonb, performed_at, resolvable_at, due_at)
      select id, round_id, model_id, '', config_id, scope_key, scope, 'SCORED', output, jsonb_build_object('weights', weights),
        performed_at, resolve_at, due_at
      from given
      on conflict do nothing returning round_id, model_id
    )
    insert into scores (id, prediction_id, round_id, model_id, due_at, scorer_hash, result_jsonb, value, predicted, actual, success,
      failed_reason, resolved_at, leaf_hash)
    select s.id, g.id, g.round_id, g.model_id, due_at, scorer_hash, result, value, predicted, actual, success, failed_reason, resolve_at, leaf_hash
    from given g join answered a on a.round_id = g.round_id and a.model_id = g.model_id,
      jsonb_to_record(g.score) as s(id text, scorer_hash text, result jsonb, value float8, predicted float8, actual float8, success boolean,
        failed_reason text, leaf_hash bytea)
    on conflict do nothing`.execute(db);
}

const flat = ({ round, configId, output, weights, score, leaf }: EnsembleRow) => ({
  id: score.predictionId,
  round_id: round.id,
  model_id: score.modelId,
  config_id: configId,
  scope_key: round.scope_key,
  scope: round.scope_jsonb,
  output,
  weights,
  performed_at: round.collected_at,
  resolve_at: round.resolve_at,
  due_at: round.due_at,
  score: scoreColumns(score, leaf),
});
