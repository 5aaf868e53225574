import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Truths } from "./schema.ts";

export interface NewTruth {
  roundId: string;
  result: unknown;
  evidence: unknown;
}

/** Stores what reality answered and moves the rounds on, in one statement; where a round no longer waits, nothing is changed. */
export async function resolveRounds(db: Queryable, truths: readonly NewTruth[]): Promise<void> {
  await sql`
    with given as (
      select g->>'roundId' as id, g->'result' as result, g->'evidence' as evidence
      from jsonb_array_elements(${JSON.stringify(truths)}::jsonb) g
    ), moved as (
      update rounds set status = 'RESOLVED'
      where id = any(${truths.map((t) => t.roundId)}::text[]) and status = 'WAITING' returning id
    )
    insert into truths (round_id, result_jsonb, evidence_jsonb)
    select id, result, evidence from moved join given using (id)
    on conflict do nothing`.execute(db);
}

export async function truthOf(db: Queryable, roundId: string): Promise<Record<string, unknown> | undefined> {
  const row = await db.selectFrom("truths").select("result_jsonb").where("round_id", "=", roundId).executeTakeFirst();
  return row?.result_jsonb;
}

export const truthRow = (db: Queryable, roundId: string): Promise<Selectable<Truths> | undefined> =>
  db.selectFrom("truths").selectAll().where("round_id", "=", roundId).executeTakeFirst();
