import { type Kysely, sql } from "kysely";

/** What people decided about checkpoints, with the signed text; the key answers a second use of it for ever. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table checkpoint_decisions (
      key text not null, checkpoint_id text not null references checkpoints (id),
      action text not null check (action in ('approve','retry','retryBlocked','void','confirm')),
      actor text not null, reason text, body text not null, statement text, signature text,
      result_jsonb jsonb not null, workflow_run_id text, at timestamptz not null default now(),
      primary key (key, checkpoint_id), check ((statement is null) = (signature is null))
    )`.execute(db);
  await sql`create index checkpoint_decisions_of on checkpoint_decisions (checkpoint_id, at)`.execute(db);
  await sql`
    create trigger append_only before update or delete or truncate on checkpoint_decisions
    for each statement execute function refuse_change()`.execute(db);
  await sql`
    alter table checkpoints add column approvals_needed smallint check (approvals_needed >= 0),
      add column objection_until timestamptz`.execute(db);
  await sql`comment on column checkpoints.approvals_needed is 'by different approvers, as the settings said when approval began'`.execute(
    db,
  );
}
