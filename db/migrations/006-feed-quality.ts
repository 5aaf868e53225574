import { type Kysely, sql } from "kysely";

const DIMENSION = "source text not null, subject text not null, kind text not null, granularity text not null";
const KEY = "source, subject, kind, granularity";

export async function up(db: Kysely<unknown>): Promise<void> {
  // in the order in which memory holds them: a server's own collation would show models of a restarted node another order
  await sql`alter table feed_records alter column event_id type text collate "C"`.execute(db);
  await sql`
    create table feed_days (
      ${sql.raw(DIMENSION)}, day date not null,
      record_count bigint not null, first_ts timestamptz not null, last_ts timestamptz not null,
      primary key (${sql.raw(KEY)}, day)
    )`.execute(db);
  await sql`comment on table feed_days is 'how many records each stream has per UTC day: dropping a day of feed_records drops its rows here'`.execute(
    db,
  );
  await sql`
    insert into feed_days
    select ${sql.raw(KEY)}, (ts_event at time zone 'UTC')::date, count(*), min(ts_event), max(ts_event)
    from feed_records group by ${sql.raw(KEY)}, (ts_event at time zone 'UTC')::date`.execute(db);
  await sql`
    create table feed_gaps (
      ${sql.raw(DIMENSION)}, from_ts timestamptz not null, until_ts timestamptz not null,
      status text not null check (status in ('OPEN','FILLED','EMPTY')), reason text not null,
      cursor_ts timestamptz not null, missing int, detected_at timestamptz not null default now(), closed_at timestamptz,
      primary key (${sql.raw(KEY)}, from_ts), check (from_ts < until_ts)
    )`.execute(db);
  await sql`create index feed_gaps_open on feed_gaps (${sql.raw(KEY)}) where status = 'OPEN'`.execute(db);
  await sql`
    create table feed_quality (
      ${sql.raw(DIMENSION)}, hour timestamptz not null, event text not null,
      count bigint not null, last_at timestamptz not null, last_detail text not null default '',
      primary key (${sql.raw(KEY)}, hour, event)
    )`.execute(db);
  await sql`create index feed_quality_hour on feed_quality (hour)`.execute(db);
}
