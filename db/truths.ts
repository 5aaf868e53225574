import type { Selectable } from "kysely";
import type { Queryable } from "./database.ts";
import type { Truths } from "./schema.ts";

/** Stores what reality answered, once; a later answer changes nothing. */
export async function storeTruth(
  db: Queryable,
  roundId: string,
  truth: { result: unknown; evidence: unknown },
): Promise<void> {
  await db
    .insertInto("truths")
    .values({
      round_id: roundId,
      result_jsonb: JSON.stringify(truth.result),
      evidence_jsonb: JSON.stringify(truth.evidence),
    })
    .onConflict((c) => c.doNothing())
    .execute();
}

export async function truthOf(db: Queryable, roundId: string): Promise<Record<string, unknown> | undefined> {
  const row = await db.selectFrom("truths").select("result_jsonb").where("round_id", "=", roundId).executeTakeFirst();
  return row?.result_jsonb;
}

export const truthRow = (db: Queryable, roundId: string): Promise<Selectable<Truths> | undefined> =>
  db.selectFrom("truths").selectAll().where("round_id", "=", roundId).executeTakeFirst();
