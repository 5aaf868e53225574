import { type Kysely, sql } from "kysely";

/** How far back windows of the standard contract reach, and one day. */
const KEPT = "interval '8 days'";

/**
 * Sums are decimal and so exact: they do not depend on the order or the portions in which scores come. Scores know their deployment and have one current version each; the sums that leaderboards are made of, by scoring window and by hour;
 * the error statistics of ensembles' members, and
 * the weights that follow from them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table scores add column deployment_id text not null default ''`.execute(db);
  await sql`create unique index scores_current on scores (round_id, model_id, due_at) where current`.execute(db);
  await sql`create index scores_taken_back on scores (window_end) where window_end is not null and not current`.execute(
    db,
  );
  await sql`drop index scores_model`.execute(db); // what reads scores comes from rounds or predictions
  await sql`
    create table score_sums (
      grain text not null check (grain in ('window','hour')), at timestamptz not null,
      model_id text not null, deployment_id text not null, scope_key text not null,
      sum numeric not null, counted int not null, answered int not null, asked int not null, first_at timestamptz not null,
      primary key (grain, at, model_id, deployment_id, scope_key)
    )`.execute(db);
  await sql`
    insert into score_sums
    select 'window', s.window_end, s.model_id, '', r.scope_key, coalesce(sum(s.value::text::numeric), 0),
      count(s.value), count(*) filter (where s.success), count(*), min(w.start_at)
    from scoring_windows w join scores s on s.window_end = w.end_at join rounds r on r.id = s.round_id
    where w.end_at > now() - ${sql.raw(KEPT)} and s.current
    group by s.window_end, s.model_id, r.scope_key`.execute(db);
  await sql`
    insert into score_sums
    select 'hour', date_bin('1 hour', at - interval '1 microsecond', 'epoch') + interval '1 hour', model_id, deployment_id, scope_key,
      sum(sum), sum(counted), sum(answered), sum(asked), min(first_at)
    from score_sums where grain = 'window' group by 2, 3, 4, 5`.execute(db);
  await sql`
    create table ensemble_errors (
      scope_key text not null, model_id text not null, n int not null, mean double precision not null, m2 double precision not null,
      primary key (scope_key, model_id)
    )`.execute(db);
  await sql`
    create table ensemble_weights (
      name text not null, from_at timestamptz not null references scoring_windows (end_at), weights_jsonb jsonb not null,
      primary key (name, from_at)
    )`.execute(db);
}
