import { type Kysely, sql } from "kysely";

const PHASES =
  "'SEALED','AWAITING_APPROVAL','PLANNED','SIGNED','SENT','SEEN','FINAL','CLAIMABLE','PAYING','PAID','BLOCKED','CONFLICT','FAILED','VOID'";

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table checkpoints (
      id text primary key, period_start timestamptz not null, period_end timestamptz not null unique,
      status text not null check (status in ('PENDING','SUBMITTED','CLAIMABLE','PAID','VOID')),
      phase text not null check (phase in (${sql.raw(PHASES)})), cause text, version int not null default 0,
      entries_jsonb jsonb not null, emission_jsonb jsonb not null, meta_jsonb jsonb not null default '{}',
      merkle_root text not null, emission_hash text not null, created_at timestamptz not null default now(),
      tx_hash text, submitted_at timestamptz, history_jsonb jsonb,
      check (period_start < period_end),
      constraint checkpoints_tile exclude using gist (tstzrange(period_start, period_end) with &&)
    )`.execute(db);
  await sql`
    create table checkpoint_transitions (
      id bigint generated always as identity primary key, checkpoint_id text not null references checkpoints (id),
      from_phase text not null, to_phase text not null, from_status text not null, to_status text not null,
      chain_attempt int not null default 0, actor text not null, cause text not null,
      workflow_run_id text, activity_attempt int, tx_hash text, at timestamptz not null default now(),
      unique (checkpoint_id, from_phase, to_phase, chain_attempt)
    )`.execute(db);
  await sql`
    create function refuse_change() returns trigger language plpgsql as $$
    begin raise exception '% is append-only', tg_table_name; end $$`.execute(db);
  await sql`
    create trigger append_only before update or delete or truncate on checkpoint_transitions
    for each statement execute function refuse_change()`.execute(db);
  await sql`
    create table submissions (
      checkpoint_id text primary key references checkpoints (id), genesis text not null, base_address text not null,
      key_marker text not null, content_marker text not null, plan_jsonb jsonb not null, plan_hash text not null,
      version int not null default 0, created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table payout_batches (
      checkpoint_id text not null references checkpoints (id), part int not null, marker text not null, hash text not null,
      plan_jsonb jsonb not null, recipients_jsonb jsonb not null, amount numeric(39, 0) not null,
      status text not null check (status in ('PLANNED','SENT','FINAL')), tx_hash text, finished_at timestamptz,
      primary key (checkpoint_id, part)
    )`.execute(db);
  await sql`
    create table submission_attempts (
      checkpoint_id text not null references checkpoints (id), part int not null, n int not null,
      lifetime_jsonb jsonb not null, wire text not null, signature text not null unique,
      created_at timestamptz not null default now(), sent_at timestamptz, outcome text check (outcome in ('FINAL','DEAD')),
      primary key (checkpoint_id, part, n)
    )`.execute(db);
  await sql`comment on column submission_attempts.part is '0: the emission itself; 1 and up: payout batches'`.execute(
    db,
  );
}
