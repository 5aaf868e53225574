import { type Kysely, sql } from "kysely";

/** Cadences over time, whom a round calls, who is still a newcomer, voided spans, tournament rounds. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table scope_schedules (
      scope_key text not null, from_at timestamptz not null, until_at timestamptz,
      schedule_jsonb jsonb not null, contract_hash text not null references contracts (hash),
      primary key (scope_key, from_at), check (until_at is null or until_at >= from_at)
    )`.execute(db);
  await sql`create unique index scope_schedules_current on scope_schedules (scope_key) where until_at is null`.execute(
    db,
  );
  await sql`alter table deployments add column established_at timestamptz`.execute(db);
  await sql`
    create table voids (
      id bigint generated always as identity primary key, actor text not null, reason text not null,
      scope_key text, from_at timestamptz not null, to_at timestamptz not null, counts_jsonb jsonb not null default '{}',
      created_at timestamptz not null default now(), check (from_at < to_at)
    )`.execute(db);
  await sql`
    create table tournament_rounds (
      id text primary key, status text not null check (status in ('OPEN','INFERRING','CLOSED','SCORED','FINAL')),
      features_hash text not null, feature_count int not null check (feature_count > 0), contract_hash text not null references contracts (hash),
      deadline_at timestamptz not null, created_at timestamptz not null default now(),
      closed_at timestamptz, scored_at timestamptz, finished_at timestamptz
    )`.execute(db);
  await sql`create index tournament_rounds_open on tournament_rounds (created_at) where status in ('OPEN','INFERRING','SCORED')`.execute(
    db,
  );
  await sql`
    alter table rounds
      add column callees_jsonb jsonb,
      add column void_id bigint references voids (id),
      add column tournament_id text references tournament_rounds (id)`.execute(db);
  await sql`create index rounds_tournament on rounds (tournament_id, due_at) where tournament_id is not null`.execute(
    db,
  );
  await sql`create index rounds_tournament_resolved on rounds (tournament_id) where tournament_id is not null and status = 'RESOLVED'`.execute(
    db,
  );
}
