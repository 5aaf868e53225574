import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table outbox (
      id bigint generated always as identity primary key, topic text not null, event text not null,
      data_jsonb jsonb not null, created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table api_keys (
      id text primary key, name text not null, tier text not null check (tier in ('read','participant','local','operator','admin')),
      hash text not null unique, cruncher_id text, created_at timestamptz not null default now(),
      expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz
    )`.execute(db);
  await sql`
    create table idempotency_keys (
      key text primary key, request_hash text not null, status_code int not null, body_jsonb jsonb not null,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table audit_log (
      id bigint generated always as identity primary key, actor text not null, action text not null, subject text not null,
      detail_jsonb jsonb not null default '{}', at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function refuse_change()`.execute(db);
}
