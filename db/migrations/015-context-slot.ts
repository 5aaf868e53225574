import { type Kysely, sql } from "kysely";

/** The greatest finalized slot that was read for a plan: after a restart, too, no node that lags behind it is believed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ["submissions", "payout_batches"])
    await sql`alter table ${sql.table(table)} add column context_slot numeric(20, 0)`.execute(db);
}
