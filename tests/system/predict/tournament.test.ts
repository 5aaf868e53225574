import { join } from "node:path";
import { pino } from "pino";
import { expect, inject, test } from "vitest";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { createTournament, tournamentById } from "../../../db/tournament.ts";
import { freshDatabase, SETTINGS } from "../api/world.ts";

const folder = join(import.meta.dirname, "../node/competitions");

async function world(which: "tournament" | "quick", apiKey?: string) {
  const fresh = await freshDatabase(inject("postgresUrl"));
  const competition = await loadCompetition(join(folder, which, "competition.ts"), ["SP500"]);
  const settings = { ...SETTINGS, apiKey };
  const app = await buildServer({
    settings,
    db: fresh.db,
    competition,
    checks: {} as never,
    log: pino({ level: "silent" }),
  });
  const post = (id: string, path: string, payload: object, headers = {}) =>
    app.inject({ method: "POST", url: `/tournament/rounds/${id}/${path}`, payload, headers });
  return {
    fresh,
    app,
    competition,
    post,
    [Symbol.asyncDispose]: () => app.close().then(() => fresh[Symbol.asyncDispose]()),
  };
}

test("what cannot be asked is refused with the feature and the field, and stores nothing", async () => {
  await using node = await world("tournament");
  const { post } = node;
  const features = [{ x: 1 }, { x: "two" }, {}];
  const refused = await post("cup", "inference", { features });
  expect(refused.statusCode).toBe(422);
  expect(refused.json().detail).toMatch(/^features\.1\.x: .*number.*; features\.2\.x: /);
  expect((await post("cup", "inference", { features: [] })).json()).toMatchObject({
    detail: [{ msg: "at least one feature" }],
  });
  expect((await post("cup%2Fone", "inference", { features: [{ x: 1 }] })).statusCode).toBe(422);
  expect(await tournamentById(node.fresh.db, "cup")).toBeUndefined();
  expect((await post("cup", "score", { ground_truth: [] })).statusCode).toBe(422);
  expect((await post("cup", "score", { ground_truth: [null] })).statusCode).toBe(404);
});

test("a competition without tournament rounds says so, and writes want the key where there is one", async () => {
  await using other = await world("quick");
  const none = await other.post("cup", "inference", { features: [{ x: 1 }] });
  expect(none).toMatchObject({ statusCode: 409, body: expect.stringContaining("its contract must say `tournament`") });
  await using keyed = await world("tournament", "a-key-of-sixteen-letters");
  expect((await keyed.post("cup", "inference", { features: [{ x: 1 }] })).statusCode).toBe(401);
  expect((await keyed.post("cup", "score", { ground_truth: [null] })).statusCode).toBe(401);
  expect((await keyed.app.inject("/tournament/rounds/cup/status")).statusCode).toBe(401);
});

test("truth is refused for features that are not there and for values that are none; two bodies at once agree or one is refused", async () => {
  await using node = await world("tournament");
  const { db } = node.fresh;
  const given = {
    ...{ id: "cup", competition: SETTINGS.competition, featuresHash: "h", createdMs: 1e12, deadlineMs: 1e12 + 1 },
    features: [1, 2].map((x) => ({ data: { x }, hash: `h${x}` })),
    contract: { hash: "c", body: {} },
  };
  const twice = await Promise.all([createTournament(db, given), createTournament(db, given)]);
  expect(twice.map((t) => t.created).sort()).toEqual([false, true]);
  expect((await db.selectFrom("rounds").select("id").execute()).length).toBe(2);
  expect((await node.post("cup", "score", { ground_truth: [{ price: 1 }] })).statusCode).toBe(409);
  await db.updateTable("tournament_rounds").set({ status: "CLOSED" }).execute();
  await db.updateTable("rounds").set({ status: "WAITING" }).execute();
  const post = (ground_truth: object) => node.post("cup", "score", { ground_truth });
  expect((await post({ 2: { price: 1 } })).json().detail).toBe("ground_truth.2: the round has 2 features, 0 to 1");
  expect((await post([{ price: -1 }])).json().detail).toMatch(/^ground_truth\.0\.price: /);
  expect((await db.selectFrom("truths").select("round_id").execute()).length).toBe(0);
  const scored = setInterval(
    () => void db.updateTable("rounds").set({ status: "SCORED" }).where("status", "=", "RESOLVED").execute(),
    50,
  );
  const answers = await Promise.all([post([{ price: 1 }, { price: 2 }]), post([{ price: 1 }, { price: 3 }])]);
  clearInterval(scored);
  expect(answers.map((a) => a.statusCode).sort()).toEqual([200, 409]);
  const truths = await db.selectFrom("truths").select("result_jsonb").orderBy("round_id").execute();
  const winner = answers[0]!.statusCode === 200 ? 2 : 3;
  expect(truths.map((t) => t.result_jsonb)).toEqual([{ price: 1 }, { price: winner }]);
});
