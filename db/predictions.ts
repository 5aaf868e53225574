import { type Selectable, sql } from "kysely";
import { inputId } from "../domain/ids.ts";
import type { CollectCounts } from "../domain/round.ts";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions } from "./partitions.ts";
import type { PredictionStatus, Predictions } from "./schema.ts";

export type PredictionRow = Selectable<Predictions>;

export interface NewPrediction {
  id: string;
  modelId: string;
  deploymentId: string;
  status: "PENDING" | "FAILED" | "TIMEOUT" | "ABSENT";
  reason: string | null;
  execTimeUs: number;
  output: Record<string, unknown> | null;
  meta: Record<string, unknown>;
}

export interface CollectedRound {
  roundId: string;
  scopeKey: string;
  scope: Record<string, unknown>;
  configId: string;
  dueMs: number;
  resolveAtMs: number;
  /** null: nobody could be shown anything (a missed round) */
  input: { data: unknown; hash: string } | null;
  /** when the answers were in, epoch ms */
  performedAtMs: number;
  predictions: readonly NewPrediction[];
  counts: CollectCounts;
  missed?: string;
}

/**
 * Everything a round collected, in one statement and so one commit and one journey: the round's new status (compare-and-set),
 * its input, a row per model. False: the round had been stored before, and nothing was changed.
 */
export async function storeCollected(db: Database, round: CollectedRound): Promise<boolean> {
  await ensurePartitions(db, "predictions", round.dueMs, round.dueMs);
  const input = round.input ? inputId(round.roundId) : null;
  const { rows } = await sql<{ moved: boolean }>`
    with moved as (
      update rounds set status = ${round.missed === undefined ? "WAITING" : "MISSED"}, reason = ${round.missed ?? null}, input_id = ${input},
        counts_jsonb = ${JSON.stringify(round.counts)}::jsonb, collected_at = now(),
        finished_at = ${round.missed === undefined ? null : new Date()}::timestamptz
      where id = ${round.roundId} and status = 'COLLECTING' returning id
    ), stored_input as (
      insert into inputs (id, raw_data_jsonb, hash)
      select ${input}, ${JSON.stringify(round.input?.data ?? null)}::jsonb, ${round.input?.hash ?? ""} from moved where ${input}::text is not null
      on conflict do nothing
    ), stored_rows as (
      insert into predictions (id, round_id, model_id, deployment_id, prediction_config_id, scope_key, scope_jsonb, status, reason,
        exec_time_us, inference_output_jsonb, meta_jsonb, performed_at, resolvable_at, due_at)
      select p.id, moved.id, p.model_id, p.deployment_id, ${round.configId}, ${round.scopeKey}, ${JSON.stringify(round.scope)}::jsonb, p.status, p.reason,
        p.exec_time_us, p.output, p.meta, ${new Date(round.performedAtMs)}::timestamptz, ${new Date(round.resolveAtMs)}::timestamptz, ${new Date(round.dueMs)}::timestamptz
      from moved, jsonb_to_recordset(${JSON.stringify(round.predictions.map(rowOf))}::jsonb)
        as p(id text, model_id text, deployment_id text, status text, reason text, exec_time_us bigint, output jsonb, meta jsonb)
      on conflict do nothing
    )
    select exists (select from moved) as moved`.execute(db);
  return rows[0]?.moved ?? false;
}

const rowOf = (p: NewPrediction) => ({
  id: p.id,
  model_id: p.modelId,
  deployment_id: p.deploymentId,
  status: p.status,
  reason: p.reason,
  exec_time_us: p.execTimeUs,
  output: p.output,
  meta: p.meta,
});

/** A round's rows, by model. */
export const predictionsOf = (db: Queryable, round: { id: string; due_at: Date }): Promise<PredictionRow[]> =>
  db
    .selectFrom("predictions")
    .selectAll()
    .where("round_id", "=", round.id)
    .where("due_at", "=", round.due_at)
    .orderBy("model_id")
    .execute();

/** What scoring looks at; a round's hundreds of rows are read once in their life, and only as far as needed. */
export type ScorableRow = Pick<
  PredictionRow,
  "id" | "model_id" | "deployment_id" | "status" | "reason" | "inference_output_jsonb"
>;

/** The rows of rounds for their scorer, by round id; each round's by model. */
export async function scorablePredictionsOf(
  db: Queryable,
  rounds: readonly { id: string; due_at: Date }[],
): Promise<ReadonlyMap<string, ScorableRow[]>> {
  const { rows } = await sql<ScorableRow & { round_id: string }>`
    select p.* from unnest(${rounds.map((r) => r.id)}::text[], ${rounds.map((r) => r.due_at)}::timestamptz[]) g (id, due_at)
    cross join lateral (
      select round_id, id, model_id, deployment_id, status, reason, inference_output_jsonb from predictions p
      where p.round_id = g.id and p.due_at = g.due_at
      offset 0
    ) p
    order by p.round_id, p.model_id`.execute(db);
  return Map.groupBy(rows, (row) => row.round_id);
}

/** Moves the rows of a round that wait for the truth; the others keep the status they were created with. */
export async function settlePending(
  db: Queryable,
  round: { id: string; due_at: Date },
  to: "UNRESOLVABLE",
  reason: string,
): Promise<void> {
  await db
    .updateTable("predictions")
    .set({ status: to, reason })
    .where("round_id", "=", round.id)
    .where("due_at", "=", round.due_at)
    .where("status", "=", "PENDING")
    .execute();
  await db.updateTable("inputs").set({ status: "EXPIRED" }).where("id", "=", inputId(round.id)).execute();
}

/** A prediction with its current score. */
export interface ScoredPrediction {
  model_id: string;
  prediction_config_id: string;
  scope_key: string;
  scope_jsonb: Record<string, unknown>;
  status: PredictionStatus;
  reason: string | null;
  performed_at: Date;
  value: number | null;
  success: boolean | null;
  failed_reason: string | null;
  scored_at: Date | null;
}

export interface PredictionFilter {
  /** due times, half-open */
  from: Date;
  to: Date;
  models?: readonly string[] | undefined;
  scopeKey?: string | undefined;
  status?: PredictionStatus | undefined;
  /** true: only rows whose truth is known or will never come */
  settledOnly: boolean;
  /** true: those of ensembles, too */
  ensembles: boolean;
  limit: number;
}

/** The newest `limit` rows of a range, oldest first. Walks an index from the newest round back, so that the range's length costs little. */
export async function listPredictions(db: Queryable, filter: PredictionFilter): Promise<ScoredPrediction[]> {
  const newest =
    filter.models && !isRare(filter.status) ? newestOfModels(filter, filter.models) : newestOfRounds(filter);
  const { rows } = await sql<ScoredPrediction>`
    select p.model_id, p.prediction_config_id, p.scope_key, p.scope_jsonb, p.status, p.reason, p.performed_at,
      s.value, s.success, s.failed_reason, s.scored_at
    from (${newest}) p
    left join lateral (
      select value, success, failed_reason, scored_at from scores s
      where s.round_id = p.round_id and s.model_id = p.model_id and s.due_at = p.due_at and s.current limit 1
    ) s on true
    order by p.due_at, p.model_id`.execute(db);
  return rows;
}

/** Statuses that few rows have: their rounds are known from the rounds' own rows. */
const RARE = {
  PENDING: sql`status in ('COLLECTING', 'WAITING', 'RESOLVED')`,
  FAILED: sql`((counts_jsonb->>'failed')::int > 0 or id in (select round_id from dead_letters))`,
  TIMEOUT: sql`(counts_jsonb->>'timed_out')::int > 0`,
  ABSENT: sql`(counts_jsonb->>'absent')::int > 0`,
  UNRESOLVABLE: sql`status = 'UNRESOLVABLE'`,
  VOIDED: sql`status = 'VOIDED'`,
} as const;
const isRare = (status: PredictionStatus | undefined): status is keyof typeof RARE =>
  status !== undefined && status in RARE;

const matching = (filter: PredictionFilter) => sql`
  ${filter.scopeKey === undefined ? sql`true` : sql`p.scope_key = ${filter.scopeKey}`}
  and ${filter.status === undefined ? sql`true` : sql`p.status = ${filter.status}`}
  and ${filter.settledOnly ? sql`p.status <> 'PENDING'` : sql`true`}
  and ${filter.ensembles ? sql`true` : sql`p.model_id not in (select id from models where virtual)`}`;

/** `offset 0` keeps the planner from joining whole tables: it takes rounds and predictions for independent. */
const newestOfRounds = (filter: PredictionFilter) => sql`
  select p.* from (
    select id, due_at from rounds
    where due_at >= ${filter.from} and due_at < ${filter.to}
      and ${isRare(filter.status) ? RARE[filter.status] : sql`true`}
      and ${filter.scopeKey === undefined ? sql`true` : sql`scope_key = ${filter.scopeKey}`}
    order by due_at desc
  ) r
  join lateral (
    select * from predictions p where p.round_id = r.id and p.due_at = r.due_at
      and ${filter.models ? sql`p.model_id in (${sql.join(filter.models)})` : sql`true`} and ${matching(filter)}
    offset 0
  ) p on true
  order by r.due_at desc limit ${filter.limit}`;

const newestOfModels = (filter: PredictionFilter, models: readonly string[]) => sql`
  select p.* from unnest(${[...models]}::text[]) m (id)
  cross join lateral (
    select * from predictions p
    where p.model_id = m.id and p.due_at >= ${filter.from} and p.due_at < ${filter.to} and ${matching(filter)}
    order by p.due_at desc limit ${filter.limit}
  ) p
  order by p.due_at desc limit ${filter.limit}`;
