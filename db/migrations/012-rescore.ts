import { type Kysely, sql } from "kysely";

/** Ranges of rounds scored again by another scorer, beside the scores that count. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table rescore_jobs (
      id text primary key, from_at timestamptz not null, to_at timestamptz not null, scorer_hash text not null,
      status text not null check (status in ('pending','running','ready','adopted','failed','cancelled')), error text,
      cursor_at timestamptz, cursor_round text, counts_jsonb jsonb not null, diff_jsonb jsonb,
      actor text not null, adopt_actor text, adopt_reason text, adopted_at timestamptz,
      created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
      check (from_at < to_at), check ((cursor_at is null) = (cursor_round is null))
    )`.execute(db);
  await sql`create unique index rescore_jobs_open on rescore_jobs ((true)) where status in ('pending','running')`.execute(
    db,
  );
  await sql`create index rescore_jobs_created on rescore_jobs (created_at)`.execute(db);
  await sql`alter table scores add column counted_before boolean not null default false`.execute(db);
  await sql`comment on column scores.counted_before is 'a window had counted the version that this one replaced'`.execute(
    db,
  );
}
