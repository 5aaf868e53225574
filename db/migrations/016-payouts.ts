import { type Kysely, sql } from "kysely";

/** Payouts in SPL tokens, why a batch does not go on, and batches that stay as they were frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table payout_batches add column mint text, add column decimals int, add column cause text`.execute(
    db,
  );
  await sql`comment on column payout_batches.mint is 'of the token that amounts are smallest units of; null: lamports'`.execute(
    db,
  );
  await sql`
    create function keep_frozen_batch() returns trigger language plpgsql as $$
    begin
      if (new.checkpoint_id, new.part, new.marker, new.hash, new.plan_jsonb, new.recipients_jsonb, new.amount, new.mint, new.decimals)
        is distinct from
        (old.checkpoint_id, old.part, old.marker, old.hash, old.plan_jsonb, old.recipients_jsonb, old.amount, old.mint, old.decimals)
      then raise exception 'payout batch % of % is frozen', old.part, old.checkpoint_id; end if;
      return new;
    end $$`.execute(db);
  await sql`
    create trigger frozen before update on payout_batches for each row execute function keep_frozen_batch()`.execute(
    db,
  );
}
