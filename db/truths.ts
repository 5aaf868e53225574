import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Truths } from "./schema.ts";

/** Stores what reality answered and moves the round on, in one statement; where the round no longer waits, nothing is changed. */
export async function resolveRound(
  db: Queryable,
  roundId: string,
  truth: { result: unknown; evidence: unknown },
): Promise<void> {
  await sql`
    with moved as (update rounds set status = 'RESOLVED' where id = ${roundId} and status = 'WAITING' returning id)
    insert into truths (round_id, result_jsonb, evidence_jsonb)
    select id, ${JSON.stringify(truth.result)}::jsonb, ${JSON.stringify(truth.evidence)}::jsonb from moved
    on conflict do nothing`.execute(db);
}

export async function truthOf(db: Queryable, roundId: string): Promise<Record<string, unknown> | undefined> {
  const row = await db.selectFrom("truths").select("result_jsonb").where("round_id", "=", roundId).executeTakeFirst();
  return row?.result_jsonb;
}

export const truthRow = (db: Queryable, roundId: string): Promise<Selectable<Truths> | undefined> =>
  db.selectFrom("truths").selectAll().where("round_id", "=", roundId).executeTakeFirst();
