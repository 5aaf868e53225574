import { type Kysely, sql } from "kysely";

const OPEN = "status in ('pending','running','paused')";

/** Backfill jobs hold their stream and know which of their days are filed; what retention must look up before it lets anything go. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table backfill_jobs add column filed_ts timestamptz`.execute(db);
  await sql`comment on column backfill_jobs.filed_ts is 'day files are written up to here: records from here to the cursor must stay'`.execute(
    db,
  );
  await sql`create unique index backfill_jobs_open on backfill_jobs (source, subject, kind, granularity) where ${sql.raw(OPEN)}`.execute(
    db,
  );
  await sql`create index backfill_jobs_created on backfill_jobs (created_at)`.execute(db);
  await sql`alter table checkpoints add column bundle_written_at timestamptz`.execute(db);
  await sql`comment on column checkpoints.bundle_written_at is 'its evidence stands in a file of its own; null: everything of its period stays'`.execute(
    db,
  );
  await sql`create index checkpoints_unbundled on checkpoints (period_start) where bundle_written_at is null`.execute(
    db,
  );
  // A row that others point to can only be deleted quickly where they can be found by it.
  await sql`create index rounds_input on rounds (input_id) where input_id is not null`.execute(db);
  await sql`create index snapshots_supersedes on snapshots (supersedes) where supersedes is not null`.execute(db);
  await sql`create index snapshots_corrections on snapshots (window_end) where supersedes is not null`.execute(db);
  await sql`create index snapshots_window on snapshots (window_end)`.execute(db);
  await sql`create index merkle_nodes_snapshot on merkle_nodes (snapshot_id) where snapshot_id is not null`.execute(db);
}
