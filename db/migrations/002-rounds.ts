import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table models (
      id text primary key, name text not null, deployment_identifier text not null,
      player_id text not null, player_name text not null, virtual boolean not null default false,
      state text not null default 'RUNNING', meta_jsonb jsonb not null default '{}',
      created_at timestamptz not null default now(), updated_at timestamptz not null default now()
    )`.execute(db);
  await sql`create index models_player on models (player_id)`.execute(db);
  await sql`
    create table deployments (
      id text primary key, model_id text not null references models (id),
      first_seen_at timestamptz not null default now(), last_seen_at timestamptz not null default now(),
      meta_jsonb jsonb not null default '{}'
    )`.execute(db);
  await sql`create table contracts (hash text primary key, body_jsonb jsonb not null, created_at timestamptz not null default now())`.execute(
    db,
  );
  await sql`
    create table scheduled_prediction_configs (
      id text primary key, scope_key text not null unique, scope_template_jsonb jsonb not null, schedule_jsonb jsonb not null,
      active boolean not null default true, "order" int not null default 0, meta_jsonb jsonb not null default '{}',
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table inputs (
      id text primary key, raw_data_jsonb jsonb not null, hash text not null, received_at timestamptz not null default now(),
      status text not null default 'RECEIVED' check (status in ('RECEIVED','RESOLVED','EXPIRED'))
    )`.execute(db);
  await sql`
    create table rounds (
      id text primary key, scope_key text not null, scope_jsonb jsonb not null,
      due_at timestamptz not null, deadline_at timestamptz not null, resolve_at timestamptz not null, give_up_at timestamptz not null,
      status text not null check (status in ('COLLECTING','WAITING','RESOLVED','SCORED','MISSED','UNRESOLVABLE','VOIDED')),
      reason text, contract_hash text not null references contracts (hash), input_id text references inputs (id),
      counts_jsonb jsonb not null default '{}',
      created_at timestamptz not null default now(), collected_at timestamptz, finished_at timestamptz,
      unique (scope_key, due_at), check (due_at <= resolve_at)
    )`.execute(db);
  await sql`create index rounds_open on rounds (resolve_at) where status in ('COLLECTING','WAITING','RESOLVED')`.execute(
    db,
  );
  await sql`create index rounds_due on rounds (due_at)`.execute(db);
  await sql`create index rounds_resolve on rounds (resolve_at)`.execute(db);
  await sql`
    create table predictions (
      id text not null, round_id text not null, model_id text not null, deployment_id text not null,
      prediction_config_id text not null, scope_key text not null, scope_jsonb jsonb not null,
      status text not null check (status in ('PENDING','SCORED','FAILED','TIMEOUT','ABSENT','UNRESOLVABLE','VOIDED')),
      reason text, exec_time_us bigint not null default 0, inference_output_jsonb jsonb,
      meta_jsonb jsonb not null default '{}', performed_at timestamptz not null, resolvable_at timestamptz not null,
      due_at timestamptz not null,
      primary key (round_id, model_id, due_at)
    ) partition by range (due_at)`.execute(db);
  await sql`create index predictions_model on predictions (model_id, due_at desc)`.execute(db);
  await sql`
    create table truths (
      round_id text primary key references rounds (id), result_jsonb jsonb not null, evidence_jsonb jsonb not null,
      resolved_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table scores (
      id text not null, prediction_id text not null, round_id text not null, model_id text not null, due_at timestamptz not null,
      scorer_hash text not null, result_jsonb jsonb not null, value double precision, predicted double precision, actual double precision,
      success boolean not null, failed_reason text, current boolean not null default true,
      resolved_at timestamptz not null, scored_at timestamptz not null default now(), window_end timestamptz,
      primary key (round_id, model_id, scorer_hash, due_at)
    ) partition by range (due_at)`.execute(db);
  await sql`create index scores_uncounted on scores (resolved_at) where window_end is null and current`.execute(db);
  await sql`create index scores_model on scores (model_id, due_at desc)`.execute(db);
  await sql`
    create table dead_letters (
      id bigint generated always as identity primary key, prediction_id text not null unique, round_id text not null, model_id text not null,
      stage text not null, error text not null, attempts int not null, status text not null default 'OPEN' check (status in ('OPEN','RETRIED','EXCUSED')),
      created_at timestamptz not null default now()
    )`.execute(db);
}
