import { pino } from "pino";
import { expect, inject, test } from "vitest";
import { createGapVoid } from "../../../activities/voids.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import { openDatabase } from "../../../db/database.ts";
import { roundById } from "../../../db/rounds.ts";
import { listVoids, SealedRounds, voidRounds } from "../../../db/voids.ts";
import { freshDatabase, serverOn } from "../api/world.ts";
import { agree, announce, play, T0 } from "./world.ts";

const MODELS = { a: "dep-a", b: "dep-b" };
const request = { fromMs: T0, toMs: T0 + 10_000, scopeKey: null, actor: "carol", reason: "the exchange was down" };

async function world() {
  const fresh = await freshDatabase(inject("postgresUrl"));
  await agree(fresh.db);
  await announce(fresh.db, MODELS);
  return fresh;
}
const statuses = async (db: Awaited<ReturnType<typeof world>>["db"]) =>
  (await db.selectFrom("rounds").select(["id", "status"]).orderBy("due_at").execute()).map((r) => r.status);

test("a span is voided as one block from any state that is not final, with actor, reason and counts on record", async () => {
  await using fresh = await world();
  const { db } = fresh;
  await play(db, { dueMs: T0, models: MODELS, until: "SCORED" });
  await play(db, { dueMs: T0 + 1_000, models: MODELS, until: "WAITING" });
  await play(db, { dueMs: T0 + 2_000, models: MODELS, until: "COLLECTING" });
  const outside = await play(db, { dueMs: T0 + 10_000, models: MODELS, until: "SCORED" });
  const other = await play(db, { scopeKey: "Y", dueMs: T0, models: MODELS, until: "WAITING" });

  const done = await voidRounds(db, { ...request, scopeKey: "X" });
  expect(done).toMatchObject({ rounds: 3, predictions: 4, scores: 2 });
  expect((await roundById(db, outside))?.status).toBe("SCORED");
  expect((await roundById(db, other))?.status).toBe("WAITING");
  const rows = await db.selectFrom("predictions").selectAll().where("status", "=", "VOIDED").execute();
  expect(rows).toHaveLength(4);
  expect(new Set(rows.map((r) => r.reason))).toEqual(new Set(["the exchange was down"]));
  expect(rows.map((r) => r.meta_jsonb.voided_from).sort()).toEqual(["PENDING", "PENDING", "SCORED", "SCORED"]);
  const current = await db.selectFrom("scores").select("round_id").where("current", "=", true).execute();
  expect(new Set(current.map((s) => s.round_id))).toEqual(new Set([outside]));
  expect(await db.selectFrom("audit_log").select(["actor", "action", "subject"]).execute()).toEqual([
    { actor: "carol", action: "rounds.void", subject: `void/${done.id}` },
  ]);
  expect(await listVoids(db, 10)).toMatchObject([{ actor: "carol", reason: request.reason, scope_key: "X" }]);
  expect(await voidRounds(db, { ...request, scopeKey: "X" })).toEqual({
    id: null,
    rounds: 0,
    predictions: 0,
    scores: 0,
  });
});

test("what a sealed checkpoint holds is refused with its name, and nothing at all is voided", async () => {
  await using fresh = await world();
  const { db } = fresh;
  await play(db, { dueMs: T0, models: MODELS, until: "SCORED" });
  await play(db, { dueMs: T0 + 5_000, models: MODELS, until: "WAITING" });
  const end = new Date(T0 + 4_000);
  await db
    .insertInto("scoring_windows")
    .values({ start_at: new Date(T0), end_at: end, status: "COMMITTED" })
    .execute();
  await db.updateTable("scores").set({ window_end: end }).execute();
  const checkpoint = {
    ...{ id: "CKP_1", period_start: new Date(T0 - 60_000), period_end: new Date(T0 + 4_000) },
    ...{ status: "PENDING" as const, phase: "SEALED" as const },
    ...{ cause: null, entries_jsonb: "[]", emission_jsonb: "{}", merkle_root: "", emission_hash: "" },
  };
  await db
    .insertInto("checkpoints")
    .values({ ...checkpoint, tx_hash: null, submitted_at: null })
    .execute();
  const refused = voidRounds(db, request);
  await expect(refused).rejects.toBeInstanceOf(SealedRounds);
  await expect(refused).rejects.toThrow(/1 of 2 rounds stand in a sealed checkpoint: round\/t\/X\/\d+ \(CKP_1\)/);
  expect(await statuses(db)).toEqual(["SCORED", "WAITING"]);
  expect(await voidRounds(db, { ...request, fromMs: T0 + 5_000 })).toMatchObject({ rounds: 1 });
});

test("two at once void each round once, and scoring that runs meanwhile leaves no current score behind", async () => {
  await using fresh = await world();
  const { db } = fresh;
  await using stack = new AsyncDisposableStack();
  const second = openDatabase({ url: fresh.url, application: "second" });
  stack.defer(() => second.destroy());
  const dues = Array.from({ length: 10 }, (_, i) => T0 + i * 1_000);
  for (const dueMs of dues) await play(db, { dueMs, models: MODELS, until: "WAITING" });
  const [one, two] = await Promise.all([
    voidRounds(db, request),
    voidRounds(second, request),
    ...dues.map((dueMs) => play(second, { dueMs, models: MODELS, until: "SCORED" })),
  ]);
  expect(one.rounds + two.rounds).toBe(10);
  expect(new Set(await statuses(db))).toEqual(new Set(["VOIDED"]));
  expect(await db.selectFrom("scores").select("id").where("current", "=", true).execute()).toEqual([]);
});

test("over the API: refused without reason or with a span that ends before it begins; done once, then a conflict", async () => {
  await using fresh = await world();
  await play(fresh.db, { dueMs: T0, models: MODELS, until: "WAITING" });
  await using app = await serverOn(fresh.db, T0 + 60_000);
  const post = (payload: object) => app.inject({ method: "POST", url: "/v1/voids", payload });
  const [from, to] = [new Date(T0).toISOString(), new Date(T0 + 1_000).toISOString()];
  expect((await post({ from, to, reason: " " })).json()).toMatchObject({
    status: 400,
    detail: expect.stringContaining("reason must not be empty"),
  });
  expect((await post({ from: to, to: from, reason: "r" })).json().detail).toContain("later than from");
  expect((await post({ from, to, reason: "bad data", actor: "carol" })).json()).toMatchObject({
    rounds: 1,
    predictions: 2,
  });
  expect((await post({ from, to, reason: "bad data" })).statusCode).toBe(409);
  const listed = (await app.inject("/v1/voids")).json();
  expect(listed.data).toMatchObject([{ actor: "carol", reason: "bad data", from, to, rounds: 1 }]);
});

test("voidOnGap voids a round whose last record was missing when it was due, and no other", async () => {
  await using fresh = await world();
  const { db } = fresh;
  const dimension = { source: "s", subject: "X", kind: "candle", granularity: "1s" };
  const market = { dimension: () => dimension, granularityMs: 1_000 };
  const competition = defineCompetition({ id: "t", score: () => ({ value: 0 }), voidOnGap: true });
  const log = pino({ level: "silent" });
  const [from_ts, until_ts] = [new Date(T0 - 3_000), new Date(T0)];
  const gap = { ...dimension, from_ts, until_ts, status: "OPEN", reason: "nothing came", cursor_ts: from_ts } as const;
  await db.insertInto("feed_gaps").values(gap).execute();
  const hit = (await roundById(db, await play(db, { dueMs: T0, models: MODELS, until: "WAITING" })))!;
  const beside = (await roundById(db, await play(db, { dueMs: T0 + 1_000, models: MODELS, until: "WAITING" })))!;
  expect(
    await createGapVoid({ db, market, competition: { ...competition, voidOnGap: false }, log } as never)(hit),
  ).toBe(false);
  const gapVoid = createGapVoid({ db, market, competition, log } as never);
  expect([await gapVoid(hit), await gapVoid(beside)]).toEqual([true, false]);
  expect(await statuses(db)).toEqual(["VOIDED", "WAITING"]);
  expect((await roundById(db, hit.id))?.reason).toMatch(/the feed of X had a gap at the due time, from .*nothing came/);
});
