import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table feed_records (
      source text not null, subject text not null, kind text not null, granularity text not null,
      ts_event timestamptz not null, event_id text not null default '',
      ts_ingested timestamptz not null default now(),
      values_jsonb jsonb not null, meta_jsonb jsonb not null default '{}',
      primary key (source, subject, kind, granularity, ts_event, event_id)
    ) partition by range (ts_event)`.execute(db);
  await sql`
    create table feed_ingestion_state (
      source text not null, subject text not null, kind text not null, granularity text not null,
      last_event_ts timestamptz not null, updated_at timestamptz not null default now(),
      meta_jsonb jsonb not null default '{}',
      primary key (source, subject, kind, granularity)
    )`.execute(db);
  await sql`
    create table backfill_jobs (
      id text primary key, source text not null, subject text not null, kind text not null, granularity text not null,
      start_ts timestamptz not null, end_ts timestamptz not null, cursor_ts timestamptz,
      records_written bigint not null default 0, pages_fetched int not null default 0,
      status text not null check (status in ('pending','running','paused','completed','failed','cancelled')),
      error text, created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
      check (start_ts < end_ts)
    )`.execute(db);
}
