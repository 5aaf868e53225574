import { MockActivityEnvironment } from "@temporalio/testing";
import { pino } from "pino";
import { expect, test } from "vitest";
import { createRescoreActivities } from "../../../activities/rescore.ts";
import { askAdoption, insertRescore, rescoreById } from "../../../db/rescore.ts";
import { MINUTE_MS, scoringWorld, T0, testCompetition } from "../scoring/world.ts";
import { expectedValue, nextContract, nextScorer } from "./worker.ts";

test("ensembles are scored again as they answered then, and no error is counted twice in their weights", async () => {
  const ensembles = [{ name: "sure", strategy: "inverse_variance" }] as const;
  await using world = await scoringWorld(testCompetition({ ensembles }));
  const { db } = world;
  const said: Record<string, number> = { a: 0.4, b: -2, c: 0.1 };
  const plan = { models: Object.keys(said), everyMs: 10_000, from: 0, count: 24 };
  const ids = await world.collect({ ...plan, answers: (m) => ({ value: said[m]! }) });
  for (const id of ids) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  for (let k = 0; k < 4; k++) await world.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
  const errors = () => db.selectFrom("ensemble_errors").selectAll().orderBy("model_id").execute();
  const answers = () =>
    db.selectFrom("predictions").selectAll().where("model_id", "=", "__ensemble_sure__").orderBy("due_at").execute();
  const [errorsBefore, answersBefore] = [await errors(), await answers()];
  expect(answersBefore.length).toBeGreaterThan(10);

  const log = pino({ level: "silent" });
  const job = createRescoreActivities({ db, competition: nextContract(), scorer: nextScorer(), log, pageRounds: 7 });
  const range = { fromMs: T0, toMs: T0 + 4 * MINUTE_MS };
  await insertRescore(db, { id: "job", ...range, scorerHash: "scorer-2", actor: "test" });
  const perform = (activity: (input: { id: string }) => Promise<unknown>) =>
    new MockActivityEnvironment().run(activity, { id: "job" });
  await perform(job.beginRescore);
  await perform(job.scoreRescore);
  expect(await rescoreById(db, "job")).toMatchObject({ status: "ready", counts_jsonb: { rounds: 24, refused: 0 } });
  await askAdoption(db, "job", { actor: "ana", reason: "x" });
  await perform(job.adoptRescore);
  await world.build(T0 + 4 * MINUTE_MS, T0 + 5 * MINUTE_MS); // two rounds resolve in it, long scored: they were adopted before they were counted

  const scores = await db
    .selectFrom("scores")
    .select(["due_at", "value", "scorer_hash"])
    .where("model_id", "=", "__ensemble_sure__")
    .where("current", "=", true)
    .orderBy("due_at")
    .execute();
  const outputs = await answers();
  expect(outputs.slice(0, answersBefore.length)).toEqual(answersBefore);
  scores.forEach((s, i) => {
    const output = outputs[i]!.inference_output_jsonb as { value: number };
    if (s.scorer_hash === "scorer-2") expect(s.value).toBe(expectedValue(output.value, s.due_at.getTime()));
  });
  expect(scores.filter((s) => s.scorer_hash === "scorer-2")).toHaveLength(answersBefore.length);
  expect(errorsBefore.map((e) => e.n)).toEqual([22, 22, 22]);
  expect(
    (await errors()).map((e) => e.n),
    "one more for each round that no window had counted",
  ).toEqual([24, 24, 24]);
}, 60_000);
