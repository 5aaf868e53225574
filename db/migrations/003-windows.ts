import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table scoring_windows (
      end_at timestamptz primary key, start_at timestamptz not null,
      status text not null check (status in ('OPEN','COMMITTED')), counts_jsonb jsonb not null default '{}',
      created_at timestamptz not null default now(), committed_at timestamptz,
      check (start_at < end_at),
      constraint scoring_windows_tile exclude using gist (tstzrange(start_at, end_at) with &&)
    )`.execute(db);
  await sql`
    create table snapshots (
      id text primary key, model_id text not null references models (id), window_end timestamptz not null references scoring_windows (end_at),
      period_start timestamptz not null, period_end timestamptz not null, revision int not null default 0,
      prediction_count int not null check (prediction_count >= 0), result_summary_jsonb jsonb not null, meta_jsonb jsonb not null default '{}',
      content_hash text not null, supersedes text references snapshots (id), created_at timestamptz not null default now(),
      unique (model_id, period_end, revision)
    )`.execute(db);
  await sql`create index snapshots_period on snapshots (period_end)`.execute(db);
  await sql`
    create table leaderboards (
      id text primary key, window_end timestamptz not null unique references scoring_windows (end_at),
      created_at timestamptz not null default now(), entries_jsonb jsonb not null, meta_jsonb jsonb not null default '{}'
    )`.execute(db);
  await sql`
    create table merkle_cycles (
      id text primary key, window_end timestamptz not null unique references scoring_windows (end_at),
      previous_cycle_id text references merkle_cycles (id), previous_cycle_root text,
      snapshots_root text not null, chained_root text not null, snapshot_count int not null, created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table merkle_nodes (
      id bigint generated always as identity primary key, checkpoint_id text, cycle_id text references merkle_cycles (id),
      level int not null, position int not null, hash text not null, left_child_id bigint, right_child_id bigint,
      snapshot_id text references snapshots (id), snapshot_content_hash text, created_at timestamptz not null default now(),
      unique (cycle_id, level, position)
    )`.execute(db);
}
