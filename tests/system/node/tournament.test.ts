import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { App } from "../../../api/deps.ts";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { tournamentById } from "../../../db/tournament.ts";
import { SETTINGS } from "../api/world.ts";
import { startNode, type TestNode, until } from "./harness.ts";

const COMPETITION = join(import.meta.dirname, "competitions/tournament/competition.ts");
const program = (body: string) => ({
  source: `from tracker import TrackerBase
import time


class Model(TrackerBase):
    def predict(self, features, feature_index):
        ${body.replaceAll("; ", "\n        ")}
`,
});
const MODELS = {
  exact: program("return {'value': features['x']}"),
  ponders: program("time.sleep(0.1); return {'value': features['x'] * 1.5}"),
  picky: program("if feature_index == 3: raise ValueError('not this one'); return {'value': float(feature_index)}"),
};
const FEATURES = Array.from({ length: 24 }, (_, i) => ({ x: 100 + i }));
const price = (i: number) => 100 + i;

async function apiOf(node: TestNode): Promise<App> {
  const settings = { ...SETTINGS, competition: node.crunchId };
  const competition = await loadCompetition(COMPETITION, ["SP500"]);
  return buildServer({ settings, db: node.db, competition, checks: {} as never, log: pino({ level: "silent" }) });
}
/** Sends the body until the answer is whole: 202 says that the same body may be sent again. */
async function whole(post: () => Promise<{ statusCode: number; json: () => unknown }>) {
  let last = await post();
  await until("the answer is whole", 120_000, async () => {
    if (last.statusCode === 202) last = await post();
    return last.statusCode !== 202;
  });
  expect(last.statusCode).toBe(200);
  return last.json() as Record<string, unknown> & {
    results: { model_id: string; feature_index: number; value: number }[];
  };
}
const rowsOf = (node: TestNode) =>
  node.db
    .selectFrom("predictions as p")
    .innerJoin("rounds as r", "r.id", "p.round_id")
    .select(["p.model_id", "p.status", "p.reason", "p.inference_output_jsonb as output", "r.scope_jsonb as scope"])
    .where("r.tournament_id", "=", "cup-1")
    .execute();
const earned = (x: number, i: number) => Math.max(0, 1 - Math.abs(x - price(i)) / price(i));
const expectedScore = (model: string, i: number): number => {
  if (model === "exact") return earned(FEATURES[i]!.x, i);
  if (model === "ponders") return earned(FEATURES[i]!.x * 1.5, i);
  return i === 3 ? Math.min(earned(FEATURES[i]!.x, i), earned(FEATURES[i]!.x * 1.5, i)) : earned(i, i);
};

test("a tournament round survives kill -9 of the predict worker in its inference and of the score worker in its scoring", async () => {
  await using node = await startNode({
    models: MODELS,
    env: { COMPETITION, MODEL_RUNNER_TIMEOUT_SECONDS: "5" },
  });
  await using app = await apiOf(node);
  const post = (path: string, payload: object) =>
    app.inject({ method: "POST", url: `/tournament/rounds/cup-1/${path}`, payload });
  const status = async () => (await app.inject("/tournament/rounds/cup-1/status")).json();
  expect(await status()).toMatchObject({ round_id: "cup-1", status: "not_found", model_count: 0 });
  await until("all models are connected", 30_000, async () => {
    const running = await node.db.selectFrom("models").select("meta_jsonb").where("state", "=", "RUNNING").execute();
    return running.filter((m) => m.meta_jsonb.state === "CONNECTED").length === 3;
  });

  const answering = whole(async () => post("inference", { features: FEATURES }));
  await until("some features are answered", 20_000, async () => (await rowsOf(node)).length > 0);
  expect((await status()).status).toBe("inferring");
  expect((await post("score", { ground_truth: [{ price: 1 }] })).statusCode).toBe(409);
  await node.kill("feed,predict");
  expect((await rowsOf(node)).length).toBeLessThan(72);
  await node.start("feed,predict");
  const done = { round_id: "cup-1", model_count: 3, prediction_count: 72, status: "inference_complete" };
  expect(await answering).toEqual(done);
  expect((await post("inference", { features: FEATURES })).json()).toEqual(done);
  expect((await post("inference", { features: FEATURES.slice(1) })).statusCode).toBe(409);

  const rows = await rowsOf(node);
  expect(new Set(rows.map((r) => `${r.model_id}/${r.scope.feature_index}`)).size).toBe(72);
  for (const row of rows) {
    const index = Number(row.scope.feature_index);
    if (row.model_id === "exact")
      expect(row).toMatchObject({ status: "PENDING", output: { value: FEATURES[index]!.x } });
    if (row.model_id === "picky" && index !== 3) expect(row.output).toEqual({ value: index });
    if (row.model_id === "picky" && index === 3)
      expect(row).toMatchObject({ status: "FAILED", output: null, reason: expect.stringContaining("not this one") });
  }
  const scoresBefore = await node.db.selectFrom("scores").select("id").execute();
  expect(scoresBefore, "nothing is scored before its truth").toEqual([]);

  const some = { ground_truth: { 3: { price: price(3) }, 20: { price: price(20) } } };
  const partial = await whole(async () => post("score", some));
  expect(partial).toMatchObject({ scores_count: 6, status: "partial" });
  expect((await post("score", some)).json()).toEqual(partial);
  const other = await post("score", { ground_truth: { 3: { price: 1 }, 4: { price: price(4) } } });
  expect(other).toMatchObject({ statusCode: 409, body: expect.stringContaining("feature 3") });
  expect(await status()).toMatchObject({ truth_count: 2, scores_count: 6, status: "partial" });

  await node.kill("score");
  const scoring = whole(async () => post("score", { ground_truth: FEATURES.map((_, i) => ({ price: price(i) })) }));
  await node.start("score");
  const all = await scoring;
  expect(all).toMatchObject({ scores_count: 72, status: "scored" });
  for (const { model_id, feature_index, value } of all.results)
    expect(value, `${model_id} ${feature_index}`).toBeCloseTo(expectedScore(model_id, feature_index), 12);
  await until(
    "windows have counted it",
    60_000,
    async () => (await tournamentById(node.db, "cup-1"))?.status === "FINAL",
  );
  const board = await node.db
    .selectFrom("leaderboards")
    .selectAll()
    .orderBy("window_end", "desc")
    .executeTakeFirstOrThrow();
  expect(board.entries_jsonb.map((e) => [e.model_id, e.rank])[0]).toEqual(["exact", 1]);
}, 180_000);

test("a model that hangs loses the rest of its group and no other, and no feature changes its place; past the deadline nobody is asked", async () => {
  const models = {
    exact: MODELS.exact,
    hangs: program("if feature_index == 2: time.sleep(30); return {'value': features['x']}"),
  };
  await using node = await startNode({ models, env: { COMPETITION, MODEL_RUNNER_TIMEOUT_SECONDS: "2" } });
  await using app = await apiOf(node);
  const post = (id: string, features: object[]) =>
    app.inject({ method: "POST", url: `/tournament/rounds/${id}/inference`, payload: { features } });
  await until("both models are connected", 30_000, async () => {
    const running = await node.db.selectFrom("models").select("meta_jsonb").where("state", "=", "RUNNING").execute();
    return running.filter((m) => m.meta_jsonb.state === "CONNECTED").length === 2;
  });
  const answer = await whole(async () => post("cup-1", FEATURES.slice(0, 12)));
  expect(answer).toMatchObject({ model_count: 2, prediction_count: 24, status: "inference_complete" });
  const rows = await rowsOf(node);
  for (const row of rows) {
    const index = Number(row.scope.feature_index);
    const lost = row.model_id === "hangs" && index >= 2 && index < 8;
    expect(row.status, `${row.model_id} ${index}`).toBe(lost ? "TIMEOUT" : "PENDING");
    expect(row.output).toEqual(lost ? null : { value: FEATURES[index]!.x });
  }
  expect(rows.filter((row) => row.reason?.includes("not sent"))).toHaveLength(5);

  await node.kill("feed,predict");
  const late = whole(async () => post("late", FEATURES.slice(0, 3)));
  await until("it is stored", 10_000, async () => (await tournamentById(node.db, "late")) !== undefined);
  await node.db.updateTable("tournament_rounds").set({ deadline_at: new Date() }).where("id", "=", "late").execute();
  await node.start("feed,predict");
  expect(await late).toMatchObject({ model_count: 2, prediction_count: 6 });
  const missed = await node.db
    .selectFrom("rounds")
    .select(["status", "reason"])
    .where("tournament_id", "=", "late")
    .execute();
  expect(missed).toEqual(Array(3).fill({ status: "MISSED", reason: "the tournament round's deadline had passed" }));
}, 180_000);
