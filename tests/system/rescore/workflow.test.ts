import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";
import { sql } from "kysely";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { createRescoreRunActivities, startRescoreWorkflow } from "../../../activities/rescore-runs.ts";
import { createWindowActivities } from "../../../activities/window.ts";
import { askAdoption, cancelRescore, insertRescore, type RescoreRow, rescoreById } from "../../../db/rescore.ts";
import { openWindow } from "../../../db/windows.ts";
import { rescoreWorkflowId } from "../../../domain/ids.ts";
import type { RescoreStatus } from "../../../domain/rescore.ts";
import { workflowBundle } from "../../../workers/bundle.ts";
import { until } from "../node/harness.ts";
import { HORIZON_MS, MINUTE_MS, type ScoringWorld, scoringWorld, T0, testCompetition } from "../scoring/world.ts";
import { boardOf, scoresBy } from "./rows.ts";
import { expectedValue, nextContract, nextScorer, startRescoreWorker } from "./worker.ts";

const folder = mkdtempSync(join(tmpdir(), "almanac-rescore-"));
const MODELS = ["a", "b", "c", "late"];
const EVERY_MS = 5_000;
const ROUNDS = 48; // the last one resolves in the fifth minute
const MINUTES = 5;
const SAID: Record<string, number> = { a: 0.4, b: -2, c: 0.1 };

let codePath: string;
let native: NativeConnection;
let client: Client;
beforeAll(async () => {
  ({ codePath } = await workflowBundle(join(folder, "workflows.js")));
  native = await NativeConnection.connect({ address: inject("temporalAddress") });
  const connection = await Connection.connect({ address: inject("temporalAddress") });
  client = new Client({ connection, namespace: "almanac" });
}, 120_000);
afterAll(async () => {
  await native.close();
  await client.connection.close();
  rmSync(folder, { recursive: true, force: true });
});

const running: { stop(): Promise<void> }[] = [];
let jobs = 0;
let queue = "";
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop();
});

/** Five minutes of rounds, scored by the first version of the scorer unless told otherwise, and counted. */
async function world(next = false): Promise<ScoringWorld> {
  queue = `rescore-${process.pid}-${jobs}`;
  const first = testCompetition({
    score: (prediction, truth) => {
      if ((prediction as { value: number }).value === 13) throw new Error("cannot bear 13");
      return testCompetition().score(prediction, truth);
    },
  });
  const made = next ? await scoringWorld(nextContract(), nextScorer()) : await scoringWorld(first);
  const answers = (m: string, i: number) => {
    if (m === "late") return i % 3 === 0 ? ("TIMEOUT" as const) : { value: 0.2 };
    if (m === "b" && i === 3) return { value: 7 };
    return { value: m === "c" && i === 4 ? 13 : SAID[m]! };
  };
  const ids = await made.collect({ models: MODELS, from: 0, count: ROUNDS, everyMs: EVERY_MS, answers });
  for (const id of ids) {
    await made.resolveTruth(id);
    await made.scoreRound(id);
  }
  for (let k = 0; k < MINUTES; k++) await made.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
  return made;
}

async function work(of: ScoringWorld, scorer = nextScorer(), pageRounds = 5): Promise<void> {
  running.push(
    await startRescoreWorker({ connection: native, codePath, competition: queue, db: of.db, scorer, pageRounds }),
  );
}
async function begin(of: ScoringWorld, fromMs = T0, toMs = T0 + 10 * MINUTE_MS): Promise<string> {
  const id = `job-${process.pid}-${jobs++}`;
  const answer = await insertRescore(of.db, { id, fromMs, toMs, scorerHash: "scorer-2", actor: "test" });
  expect(answer).toHaveProperty("created");
  await startRescoreWorkflow(client, { competition: queue, id });
  return id;
}
const rowOf = async (of: ScoringWorld, id: string): Promise<RescoreRow> => (await rescoreById(of.db, id))!;
const become = (of: ScoringWorld, id: string, status: RescoreStatus) =>
  until(`${id} is ${status}`, 60_000, async () => (await rowOf(of, id)).status === status);
async function adopt(of: ScoringWorld, id: string): Promise<void> {
  expect(await askAdoption(of.db, id, { actor: "ana", reason: "the rules say so" })).toBeDefined();
  await startRescoreWorkflow(client, { competition: queue, id });
}
const dueOf = (i: number): number => T0 + i * EVERY_MS;
describe("a range scored again", () => {
  test("stands beside what counts, with a diff; adopted, the board is what it would be had that scorer been there from the start", async () => {
    await using it = await world();
    const before = await boardOf(it);
    await work(it);
    const id = await begin(it);
    await become(it, id, "ready");
    expect(await boardOf(it)).toEqual(before);
    const made = await scoresBy(it, "scorer-2");
    expect(made).toHaveLength(ROUNDS * MODELS.length);
    expect(made.filter((s) => s.current || s.window_end !== null)).toEqual([]);
    for (const s of made.filter((m) => m.model_id === "a"))
      expect(s.value).toBe(expectedValue(SAID.a!, s.due_at.getTime()));

    const row = await rowOf(it, id);
    expect(row.counts_jsonb).toEqual({
      all_rounds: ROUNDS,
      rounds: ROUNDS,
      scores: 192,
      refused: 1,
      adopted: 0,
      sealed: 0,
    });
    const diff = row.diff_jsonb!;
    expect(diff).toMatchObject({ direction: "desc", scores: 192, replaceable: 192, sealed: 0, checkpoints: [] });
    const a = diff.rows.find((r) => r.model_id === "a")!;
    const values = Array.from({ length: ROUNDS }, (_, i) => expectedValue(SAID.a!, dueOf(i)));
    expect(a.value_after).toBeCloseTo(values.reduce((x, y) => x + y) / ROUNDS, 12);
    expect(a.value_before).toBeCloseTo(before.find((e) => e.model_id === "a")!.score.metrics.score_recent!, 12);
    expect(diff.rows.map((r) => r.rank_after)).toEqual([1, 2, 3, 4]);
    expect(a.rank_before).toBe(before.find((e) => e.model_id === "a")!.rank);

    await adopt(it, id);
    await become(it, id, "adopted");
    expect((await rowOf(it, id)).counts_jsonb).toMatchObject({ adopted: 192, sealed: 0 });
    await it.build(T0 + MINUTES * MINUTE_MS, T0 + (MINUTES + 1) * MINUTE_MS);
    await using fresh = await world(true);
    await fresh.build(T0 + MINUTES * MINUTE_MS, T0 + (MINUTES + 1) * MINUTE_MS);
    expect(await boardOf(it)).toEqual(await boardOf(fresh));
    const ranks = (await boardOf(it)).map((e) => [e.model_id, e.rank]);
    expect(diff.rows.map((r) => [r.model_id, r.rank_after])).toEqual(ranks);

    const statuses =
      await sql`select id, model_id, status from predictions where status <> 'SCORED' and status <> 'TIMEOUT'`.execute(
        it.db,
      );
    expect(statuses.rows).toMatchObject([{ model_id: "b", status: "FAILED" }]);
    const letters = await it.db.selectFrom("dead_letters").selectAll().orderBy("model_id").execute();
    expect(letters.map((l) => [l.model_id, l.status, l.actor])).toEqual([
      ["b", "OPEN", null],
      ["c", "RETRIED", "ana"],
    ]);
    const [act] = await it.db.selectFrom("audit_log").selectAll().where("action", "=", "rescore.adopt").execute();
    expect(act).toMatchObject({
      actor: "ana",
      subject: `rescore/${id}`,
      detail_jsonb: { reason: "the rules say so", adopted: 192 },
    });
    const superseded = await it.db
      .selectFrom("snapshots")
      .select("supersedes")
      .where("supersedes", "is not", null)
      .execute();
    expect(superseded).toHaveLength(MINUTES * MODELS.length);
  }, 120_000);

  test("a window corrects only so much of the past; the next ones do the rest, and the end is the same", async () => {
    await using it = await world();
    await work(it);
    const id = await begin(it);
    await become(it, id, "ready");
    await adopt(it, id);
    await become(it, id, "adopted");
    const limited = createWindowActivities({
      ...{ db: it.db, competition: nextContract(), scorer: nextScorer(), log: pino({ level: "silent" }) },
      scopes: [{ everyMs: MINUTE_MS, resolveAfterMs: HORIZON_MS }],
      mostCorrected: { windows: 2, scores: 1_000 },
    });
    const corrections: number[] = [];
    for (let k = MINUTES; k < MINUTES + 4; k++) {
      const span = { startMs: T0 + k * MINUTE_MS, endMs: T0 + (k + 1) * MINUTE_MS };
      await openWindow(it.db, span.startMs, span.endMs);
      corrections.push((await limited.buildWindow(span)).snapshots);
      const { rows } = await sql<{ sums: string; held: string }>`
        select (select sum(sum) from score_sums where grain = 'window') as sums,
          (select sum(value::text::numeric) from scores s where window_end is not null) as held`.execute(it.db);
      expect(rows[0]!.sums, "boards show what windows hold").toBe(rows[0]!.held);
    }
    expect(corrections).toEqual([8, 8, 4, 0]);
    await using fresh = await world(true);
    for (let k = MINUTES; k < MINUTES + 4; k++) await fresh.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
    expect(await boardOf(it)).toEqual(await boardOf(fresh));
  }, 120_000);

  test("what a checkpoint has sealed stays; where all of it is sealed nothing is adopted, and the job says why", async () => {
    await using it = await world();
    const seal = (name: string, from: number, to: number) =>
      sql`insert into checkpoints (id, period_start, period_end, status, phase, entries_jsonb, emission_jsonb, merkle_root, emission_hash)
        values (${name}, ${new Date(T0 + from * MINUTE_MS)}, ${new Date(T0 + to * MINUTE_MS)}, 'PENDING', 'SEALED', '[]', '{}', '', '')`.execute(
        it.db,
      );
    await seal("CKP_1", 0, 2);
    const held = async () =>
      (
        await sql<{
          n: number;
        }>`select count(*)::int as n from scores where current and scorer_hash = 'scorer-1' and window_end <= ${new Date(T0 + 2 * MINUTE_MS)}`.execute(
          it.db,
        )
      ).rows[0]!.n;
    const inSealed = await held();
    await work(it);
    const id = await begin(it);
    await become(it, id, "ready");
    expect((await rowOf(it, id)).diff_jsonb).toMatchObject({
      replaceable: 192,
      sealed: inSealed,
      checkpoints: ["CKP_1"],
    });
    await adopt(it, id);
    await become(it, id, "adopted");
    expect((await rowOf(it, id)).counts_jsonb).toMatchObject({ adopted: 192 - inSealed, sealed: inSealed });
    await it.build(T0 + MINUTES * MINUTE_MS, T0 + (MINUTES + 1) * MINUTE_MS);
    expect(await held()).toBe(inSealed);
    const corrected = await it.db
      .selectFrom("snapshots")
      .select("period_end")
      .where("supersedes", "is not", null)
      .execute();
    expect(Math.min(...corrected.map((s) => s.period_end.getTime()))).toBe(T0 + 3 * MINUTE_MS);

    const again = await begin(it, T0, T0 + 30_000);
    await become(it, again, "ready");
    await adopt(it, again);
    await until("it is refused", 30_000, async () => (await rowOf(it, again)).error !== null);
    expect(await rowOf(it, again)).toMatchObject({
      status: "ready",
      adopt_actor: null,
      error: expect.stringMatching(/^nothing to adopt: all 24 scores stand in sealed checkpoints \(CKP_1\)$/),
    });
  }, 120_000);

  test("rounds and predictions that were voided meanwhile are left alone", async () => {
    await using it = await world();
    await work(it);
    const id = await begin(it);
    await become(it, id, "ready");
    await sql`update scores set current = false where model_id = 'a' and due_at = ${new Date(dueOf(2))}`.execute(it.db); // what excusing leaves
    await adopt(it, id);
    await become(it, id, "adopted");
    expect((await rowOf(it, id)).counts_jsonb).toMatchObject({ adopted: 191 });
    const rows = await it.db
      .selectFrom("scores")
      .select("current")
      .where("model_id", "=", "a")
      .where("due_at", "=", new Date(dueOf(2)))
      .execute();
    expect(rows.map((r) => r.current)).toEqual([false, false]);
  }, 120_000);
});

describe("people and faults", () => {
  test("one job at a time; a cancelled one stops, and cannot be adopted", async () => {
    await using it = await world();
    await work(it, nextScorer(100), 1);
    const id = await begin(it);
    await until("it is under way", 30_000, async () => (await rowOf(it, id)).counts_jsonb.rounds > 2);
    const other = { id: "other", fromMs: T0, toMs: T0 + 1, scorerHash: "scorer-2", actor: "test" };
    expect(await insertRescore(it.db, other)).toMatchObject({ holder: { id } });
    expect(await askAdoption(it.db, id, { actor: "ana", reason: "now" })).toBeUndefined();
    expect(await cancelRescore(it.db, id, { actor: "ana", reason: "wrong range" })).toMatchObject({
      status: "cancelled",
    });
    expect(await client.workflow.getHandle(rescoreWorkflowId(id)).result()).toMatchObject({ status: "cancelled" });
    const { rounds } = (await rowOf(it, id)).counts_jsonb;
    expect(rounds).toBeLessThan(ROUNDS);
    expect(await scoresBy(it, "scorer-2")).toHaveLength(rounds * MODELS.length);
  }, 60_000);

  test("a node with another scorer refuses the job with the reason", async () => {
    await using it = await world();
    await work(it, nextScorer(0, "scorer-3"));
    const id = await begin(it);
    await become(it, id, "failed");
    expect((await rowOf(it, id)).error).toBe(
      "the job is for the scorer scorer-2, and this node's is scorer-3 by now: start a new job",
    );
    expect(await scoresBy(it, "scorer-3")).toEqual([]);
  }, 60_000);

  test("the run is gone: reconcile starts it again and it goes on from the row; an adoption asked for is made up for, too", async () => {
    await using it = await world();
    await work(it, nextScorer(50), 2);
    const id = await begin(it);
    await until("it is under way", 30_000, async () => (await rowOf(it, id)).counts_jsonb.rounds > 4);
    await client.workflow.getHandle(rescoreWorkflowId(id)).terminate("lost");
    const reconcile = createRescoreRunActivities({ db: it.db, client, competition: queue });
    expect(await reconcile.resumeRescores()).toBe(1);
    await become(it, id, "ready");
    expect((await rowOf(it, id)).counts_jsonb).toMatchObject({ rounds: ROUNDS, scores: 192 });
    expect(await reconcile.resumeRescores()).toBe(0);
    await askAdoption(it.db, id, { actor: "ana", reason: "Temporal was away" });
    expect(await reconcile.resumeRescores()).toBe(1);
    await become(it, id, "adopted");
  }, 60_000);

  test("kill -9 of the worker in the middle, again and again: nothing doubled, nothing lost", async () => {
    await using it = await world();
    const id = await begin(it);
    const settings = {
      url: it.url,
      address: inject("temporalAddress"),
      codePath,
      competition: queue,
      pauseMs: 500, // slow enough that three kills fit in, on a busy machine too
      pageRounds: 1,
    };
    let last = 0;
    for (let kills = 0; kills < 3; kills++) {
      const worker = await processOf(settings);
      await until("it got further", 60_000, async () => (await rowOf(it, id)).counts_jsonb.rounds >= last + 4);
      worker.kill("SIGKILL");
      await once(worker, "exit");
      last = (await rowOf(it, id)).counts_jsonb.rounds;
    }
    expect((await rowOf(it, id)).status).toBe("running");
    const worker = await processOf({ ...settings, pauseMs: 0 });
    await become(it, id, "ready");
    worker.kill("SIGKILL");
    await once(worker, "exit");
    expect((await rowOf(it, id)).counts_jsonb).toMatchObject({ rounds: ROUNDS, scores: 192, refused: 1 });
    const made = await scoresBy(it, "scorer-2");
    expect(new Set(made.map((s) => s.prediction_id)).size).toBe(192);
    expect(made).toHaveLength(192);
    expect((await scoresBy(it, "scorer-1")).filter((s) => s.current)).toHaveLength(192);
  }, 180_000);
});

async function processOf(settings: object): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "worker-process.ts"), JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const text of child.stdout!) if (String(text).includes("ready")) break;
  return child;
}
