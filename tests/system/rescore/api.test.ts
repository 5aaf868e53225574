import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { z } from "zod";
import { rescoreJob, rescoreJobWithDiff } from "../../../api/contract/rescore.ts";
import type { App } from "../../../api/deps.ts";
import { buildServer } from "../../../api/server.ts";
import { type LoadedCompetition, loadCompetition } from "../../../competitions/load.ts";
import { moveRescore } from "../../../db/rescore.ts";
import type { RankDiff } from "../../../domain/rescore.ts";
import { type Fresh, freshDatabase, SETTINGS } from "../api/world.ts";

const NOW = Date.UTC(2026, 0, 20);
let [fresh, app, competition]: [Fresh, App, LoadedCompetition] = [] as never;
let started: string[] = [];
let start = async (id: string): Promise<void> => void started.push(id);

async function serve(change: Partial<typeof SETTINGS> = {}): Promise<App> {
  const settings = { ...SETTINGS, ...change };
  const rescores = { start: (id: string) => start(id) };
  return buildServer({
    ...{ settings, db: fresh.db, competition, rescores, checks: {}, now: () => NOW, log: pino({ level: "silent" }) },
  });
}
beforeEach(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  const path = join(import.meta.dirname, "../node/competitions/quick/competition.ts");
  competition = await loadCompetition(path, SETTINGS.feed.subjects);
  started = [];
  start = async (id) => void started.push(id);
  app = await serve();
});
afterEach(async () => {
  await app.close();
  await fresh[Symbol.asyncDispose]();
});

const range = { from: "2026-01-15T00:00:00Z", to: "2026-01-17T00:00:00Z" };
const post = (url: string, payload: object, headers: Record<string, string> = {}) =>
  app.inject({ method: "POST", url, headers, payload });
const JOBS = "/reports/rescore/jobs";
const diff = (change: Partial<RankDiff> = {}): RankDiff => ({
  ...{
    ranked_by: "mean score",
    direction: "desc",
    scores: 4,
    changed: 4,
    replaceable: 4,
    sealed: 1,
    checkpoints: ["CKP_1"],
  },
  rows: [{ model_id: "a", rank_before: 1, rank_after: 2, value_before: 0.5, value_after: null, scores: 4, changed: 4 }],
  ...change,
});
async function ready(id: string, of = diff()): Promise<void> {
  await moveRescore(fresh.db, id, "pending", "running", { allRounds: 2 });
  await moveRescore(fresh.db, id, "running", "ready", { diff: of });
}

test("a job is written, started, listed, shown with its diff, and adopted by an act with a name and a reason", async () => {
  const created = await post("/reports/rescore", { ...range, actor: "ana" });
  expect(created.statusCode, created.body).toBe(201);
  const job = created.json();
  expect(rescoreJob.parse(job)).toEqual(job);
  expect(job).toMatchObject({ status: "pending", scorer_hash: competition.scorerHash, actor: "ana", progress_pct: 0 });
  expect(started).toEqual([job.id]);
  const second = await post("/reports/rescore", range);
  expect([second.statusCode, second.json().detail]).toEqual([
    409,
    `rescore job ${job.id} is pending, and there is one at a time: wait for it, or cancel it`,
  ]);
  const early = await post(`${JOBS}/${job.id}/adopt`, { reason: "now" });
  expect([early.statusCode, early.json().detail]).toEqual([409, "a job that is pending cannot be adopted"]);

  await ready(job.id);
  const shown = (await app.inject(`${JOBS}/${job.id}`)).json();
  expect(rescoreJobWithDiff.parse(shown)).toEqual(shown);
  expect(shown).toMatchObject({ status: "ready", progress_pct: 100, adopting: false, diff: diff() });
  expect(z.array(rescoreJob).parse((await app.inject(`${JOBS}?status=ready`)).json())).toHaveLength(1);
  expect((await post(`${JOBS}/${job.id}/adopt`, { reason: " " })).statusCode).toBe(422);
  const asked = await post(`${JOBS}/${job.id}/adopt`, { reason: "new rules", actor: "ben" });
  expect([asked.statusCode, started]).toEqual([202, [job.id, job.id]]);
  expect(asked.json()).toMatchObject({
    status: "ready",
    adopting: true,
    adopt_actor: "ben",
    adopt_reason: "new rules",
  });
  const again = await post(`${JOBS}/${job.id}/adopt`, { reason: "new rules" });
  expect([again.statusCode, again.json().detail]).toEqual([409, "ben has asked for its adoption already"]);
  const late = await post(`${JOBS}/${job.id}/cancel`, { reason: "no" });
  expect([late.statusCode, late.json().detail]).toEqual([409, "a job that is being adopted cannot be cancelled"]);
});

test.each([
  [{ replaceable: 0, sealed: 0 }, "nothing to adopt: the scores that count are this scorer's already"],
  [{ replaceable: 3, sealed: 3 }, "nothing to adopt: all 3 scores stand in sealed checkpoints (CKP_1)"],
])("what cannot be adopted is refused at once: %j", async (change, reason) => {
  const { id } = (await post("/reports/rescore", range)).json();
  await ready(id, diff(change));
  const answer = await post(`${JOBS}/${id}/adopt`, { reason: "x" });
  expect([answer.statusCode, answer.json().detail]).toEqual([409, expect.stringContaining(reason)]);
});

test("a job is cancelled with a reason, which the audit log keeps; another can begin", async () => {
  const { id } = (await post("/reports/rescore", range)).json();
  const answer = await post(`${JOBS}/${id}/cancel`, { reason: "wrong range", actor: "ana" });
  expect([answer.statusCode, answer.json().status]).toEqual([200, "cancelled"]);
  const [act] = await fresh.db.selectFrom("audit_log").selectAll().execute();
  expect(act).toMatchObject({
    actor: "ana",
    action: "rescore.cancel",
    subject: `rescore/${id}`,
    detail_jsonb: { reason: "wrong range" },
  });
  const twice = await post(`${JOBS}/${id}/cancel`, { reason: "again" });
  expect([twice.statusCode, twice.json().detail]).toEqual([409, "a job that is cancelled cannot be cancelled"]);
  expect((await post("/reports/rescore", range)).statusCode).toBe(201);
});

test("a job is there although Temporal is away; a range ends now at the latest", async () => {
  start = () => Promise.reject(new Error("Temporal is away"));
  const answer = await post("/reports/rescore", { ...range, to: "2030-01-01" });
  expect([answer.statusCode, answer.json().to]).toEqual([201, new Date(NOW).toISOString()]);
});

test.each([
  [{ ...range, to: range.from }, "must be before to"],
  [{ from: "2029-01-01", to: "2030-01-01" }, "nothing after 2029-01-01T00:00:00.000Z was due yet"],
  [{ ...range, from: "yesterday" }, "ISO 8601"],
  [{ ...range, limit: 5 }, "Unrecognized key"],
  [{ from: range.from }, "ISO 8601"],
])("%j is refused with the reason", async (body, reason) => {
  const answer = await post("/reports/rescore", body);
  expect(answer.statusCode).toBe(422);
  expect(answer.body).toContain(reason);
});

test("unknown jobs are 404, and changing anything wants the key", async () => {
  for (const verb of ["adopt", "cancel"])
    expect((await post(`${JOBS}/none/${verb}`, { reason: "x" })).statusCode).toBe(404);
  expect((await app.inject(`${JOBS}/none`)).statusCode).toBe(404);
  await app.close();
  app = await serve({ apiKey: "k".repeat(32) });
  expect((await post("/reports/rescore", range)).statusCode).toBe(401);
  expect((await post(`${JOBS}/x/adopt`, { reason: "x" })).statusCode).toBe(401);
  expect((await app.inject(JOBS)).statusCode).toBe(401);
  expect((await post("/reports/rescore", range, { "x-api-key": "k".repeat(32) })).statusCode).toBe(201);
});
