import type { Queryable } from "./database.ts";

/** What a round's models were shown, and the hash of its canonical text. */
export const inputById = (
  db: Queryable,
  id: string,
): Promise<{ raw_data_jsonb: Record<string, unknown>; hash: string } | undefined> =>
  db.selectFrom("inputs").select(["raw_data_jsonb", "hash"]).where("id", "=", id).executeTakeFirst();
