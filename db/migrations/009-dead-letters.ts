import { type Kysely, sql } from "kysely";

/** Dead letters can be asked for again, and say who settled them and why. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table dead_letters
      drop constraint dead_letters_status_check,
      add constraint dead_letters_status_check check (status in ('OPEN','RETRYING','RETRIED','EXCUSED')),
      add column actor text, add column reason text, add column settled_at timestamptz`.execute(db);
  await sql`create index dead_letters_status on dead_letters (status, id)`.execute(db);
}
