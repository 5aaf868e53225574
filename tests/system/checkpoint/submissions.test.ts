import { afterAll, beforeAll, expect, test } from "vitest";
import type { Attempt } from "../../../chain/port.ts";
import {
  attemptOf,
  nonceIsTaken,
  noteSlot,
  settleAttempts,
  storeAttempt,
  storedPlan,
  storePlan,
} from "../../../db/submissions.ts";
import * as w from "./world.ts";

let database: Awaited<ReturnType<typeof w.testDatabase>>;

beforeAll(async () => {
  database = await w.testDatabase();
  for (const [id, minute] of [
    ["CKP_1", 0],
    ["CKP_2", 1],
  ] as const)
    await database.db
      .insertInto("checkpoints")
      .values({
        ...{ id, period_start: new Date(minute * 60_000), period_end: new Date((minute + 1) * 60_000) },
        ...{ status: "PENDING", phase: "PLANNED", cause: null, entries_jsonb: "[]", emission_jsonb: "{}" },
        ...{ merkle_root: "", emission_hash: "x" },
      })
      .execute();
});
afterAll(() => database.close());

const attempt = (n: number, id: string, nonce = "N1"): Attempt => ({
  n,
  id,
  wire: id,
  lifetime: { nonce, nonceAccount: "A" },
});
const store = (checkpoint: string, part: number, of: Attempt) =>
  database.db.transaction().execute((tx) => storeAttempt(tx, checkpoint, part, of));

test("of two workers that sign the same attempt the first one's bytes are the attempt", async () => {
  expect((await store("CKP_1", 0, attempt(1, "first"))).id).toBe("first");
  expect((await store("CKP_1", 0, attempt(1, "second"))).id).toBe("first");
  expect(await attemptOf(database.db, "CKP_1", 0, 1)).toEqual(attempt(1, "first"));
});
test("a nonce is one plan's until its attempt is settled or its checkpoint void", async () => {
  const taken = (nonce: string, checkpoint: string, part: number) => nonceIsTaken(database.db, nonce, checkpoint, part);
  expect(await taken("N1", "CKP_1", 0)).toBe(false); // its own
  expect(await taken("N1", "CKP_1", 1)).toBe(true);
  expect(await taken("N1", "CKP_2", 0)).toBe(true);
  expect(await taken("N2", "CKP_2", 0)).toBe(false);
  await settleAttempts(database.db, "CKP_1", 0, null);
  expect(await taken("N1", "CKP_2", 0)).toBe(false);
  await store("CKP_1", 1, attempt(1, "third"));
  expect(await taken("N1", "CKP_2", 0)).toBe(true);
  await database.db
    .updateTable("checkpoints")
    .set({ phase: "VOID", status: "VOID" })
    .where("id", "=", "CKP_1")
    .execute();
  expect(await taken("N1", "CKP_2", 0)).toBe(false);
});
test("the slot that was read for a plan only grows, beyond what a number holds too", async () => {
  const plan = { part: 0, genesis: "g", base: "b", key: { address: "k", seed: "s" }, hash: "h" };
  const payload = { kind: "memo" as const, text: "x" };
  await database.db.transaction().execute((tx) => storePlan(tx, "CKP_2", { ...plan, payload }));
  for (const slot of ["7", "18446744073709551615", "9"]) await noteSlot(database.db, "CKP_2", 0, slot);
  expect(await storedPlan(database.db, "CKP_2", 0)).toMatchObject({ contextSlot: "18446744073709551615", plan });
});
