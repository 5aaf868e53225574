import { type Kysely, sql } from "kysely";

/**
 * Hashes of what was scored, kept where it is counted: a score's leaf with the score, all leaves of a snapshot with the snapshot, so that a
 * proof needs no row that retention or a later version of a score may take away; and the log that checkpoints are appended to for ever.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table scores add column leaf_hash bytea check (octet_length(leaf_hash) = 32)`.execute(db);
  await sql`comment on column scores.leaf_hash is 'hash of its score record; null: scored before there were any'`.execute(
    db,
  );
  await sql`
    alter table snapshots add column scores_root text, add column leaf_hashes bytea check (octet_length(leaf_hashes) % 32 = 0)`.execute(
    db,
  );
  await sql`alter table snapshots alter column leaf_hashes set storage external`.execute(db); // hashes cannot be compressed
  await sql`comment on column snapshots.leaf_hashes is 'leaf hashes of its scores end to end, by (due time, round id); null: from before there were any'`.execute(
    db,
  );
  await sql`
    create function public_reason(reason text) returns text language sql immutable strict parallel safe as $$
      select case when m[1] = any('{MODEL_FAILED,SETUP_FAILED,BAD_IMPLEMENTATION,INVALID_ARGUMENT,FAILED_PRECONDITION,PREVIOUS_CALL_FAILED,MULTIPLE_FAILED,UNKNOWN}')
        then m[1] || case when m[2] = any('{TIMEOUT,DIED,NOT_READY,PROTOCOL,TOO_LARGE,NOT_FINITE}') then ': ' || m[2] else '' end
        else reason end
      from regexp_match(reason, '^([A-Z][A-Z_]+)(?:: ([A-Z][A-Z_]+)(?![A-Za-z0-9_]))?') m
    $$`.execute(db);
  await sql`alter table merkle_cycles add column peer_snapshots_root text, add column peer_chained_root text`.execute(
    db,
  );
  await sql`comment on column merkle_cycles.peer_chained_root is 'as the public node chains cycles, for its own tools; null: no snapshots, or from before'`.execute(
    db,
  );
  await sql`
    create table checkpoint_log (
      idx int primary key check (idx >= 0), checkpoint_id text not null unique references checkpoints (id),
      record_jsonb jsonb not null, leaf_hash text not null, tree_root text not null, note text,
      sealed_at timestamptz not null default now()
    )`.execute(db);
  await sql`comment on column checkpoint_log.tree_root is 'root of the tree over the leaves 0 to idx'`.execute(db);
  await sql`
    create function refuse_log_change() returns trigger language plpgsql as $$
    begin
      if old.note is null and new.note is not null and (to_jsonb(new) - 'note') = (to_jsonb(old) - 'note') then return new; end if;
      raise exception 'checkpoint_log is append-only';
    end $$`.execute(db);
  await sql`
    create trigger only_the_note before update on checkpoint_log for each row execute function refuse_log_change()`.execute(
    db,
  );
  await sql`
    create trigger append_only before delete or truncate on checkpoint_log
    for each statement execute function refuse_change()`.execute(db);
}
