import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { scoreAnswered } from "../../../activities/scorer.ts";
import { contractScorer } from "../../../competitions/scorer.ts";
import { predictionsOf } from "../../../db/predictions.ts";
import { roundById } from "../../../db/rounds.ts";
import { storeLateScores } from "../../../db/scores.ts";
import { truthOf } from "../../../db/truths.ts";
import { MINUTE_MS, profitOf, type ScoringWorld, scoringWorld, T0, testCompetition } from "./world.ts";

const EVERY_MS = 10_000;
const value = (i: number, output: number): number => output * profitOf((i * EVERY_MS) / 1_000) * 10_000;
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Rounds 0..3 resolve in the first minute, 4..9 in the second; model b's answer in round 1 makes the scorer throw while `broken`. */
async function twoMinutes(): Promise<ScoringWorld & { broken: { now: boolean } }> {
  const broken = { now: true };
  const contract = testCompetition();
  const competition = {
    ...contract,
    score: (prediction: unknown, truth: unknown) => {
      if (broken.now && (prediction as { value: number }).value === 666) throw new Error("cannot bear it");
      return contract.score(prediction, truth);
    },
  };
  const world = await scoringWorld(competition);
  const plan = { models: ["a", "b"], everyMs: EVERY_MS, from: 0, count: 10 };
  const ids = await world.collect({ ...plan, answers: (m, i) => ({ value: m === "a" ? 1 : i === 1 ? 666 : 2 }) });
  for (const id of ids) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  await world.build(T0, T0 + MINUTE_MS);
  return { ...world, broken, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

const snapshotsOf = (world: ScoringWorld, model: string) =>
  world.db
    .selectFrom("snapshots")
    .selectAll()
    .where("model_id", "=", model)
    .orderBy("period_end")
    .orderBy("revision")
    .execute();

describe("what comes after a window was committed", () => {
  test("a retried dead letter supersedes the snapshot of its own window, and the board holds the new value", async () => {
    await using world = await twoMinutes();
    const id = `round/scoring/X-20/${T0 + EVERY_MS}`;
    const byPolicy = mean([value(0, 2), value(1, 1), value(2, 2), value(3, 2)]); // round 1: the worst of the round, which is a's
    expect((await world.entry("b")).score.metrics.score_recent).toBeCloseTo(byPolicy, 12);
    world.broken.now = false;
    const round = (await roundById(world.db, id))!;
    const refused = (await predictionsOf(world.db, round)).filter((p) => p.model_id === "b");
    expect(refused[0]).toMatchObject({ status: "FAILED" });
    const truth = await truthOf(world.db, id);
    const competition = testCompetition();
    const rules = { competition, scorer: contractScorer(competition.score, "scorer-1") };
    const scores = await scoreAnswered(rules, [{ prediction: refused[0]!, truth, scope: { subject: "X" } }]);
    await world.db.transaction().execute((tx) => storeLateScores(tx, round, scores, () => null));
    await world.build(T0 + MINUTE_MS, T0 + 2 * MINUTE_MS);

    const snapshots = await snapshotsOf(world, "b");
    expect(snapshots.map((s) => [s.period_end.getTime() - T0, s.revision, s.supersedes !== null])).toEqual([
      [MINUTE_MS, 0, false],
      [MINUTE_MS, 1, true],
      [2 * MINUTE_MS, 0, false],
    ]);
    const corrected = mean([value(0, 2), value(1, 666), value(2, 2), value(3, 2)]);
    expect(snapshots[1]!.result_summary_jsonb.value).toBeCloseTo(corrected, 12);
    expect(snapshots[1]!.window_end.getTime()).toBe(T0 + 2 * MINUTE_MS);
    expect(snapshots[0]!.result_summary_jsonb.value).not.toBe(snapshots[1]!.result_summary_jsonb.value);
    const all = Array.from({ length: 10 }, (_, i) => value(i, i === 1 ? 666 : 2));
    expect((await world.entry("b")).score.metrics.score_recent).toBeCloseTo(mean(all), 10);
    const [{ sum, recomputed }] = (
      await sql<{ sum: string; recomputed: string }>`
        select (select sum(sum) from score_sums where grain = 'hour') as sum,
          (select sum(value::text::numeric) from scores where current and window_end is not null) as recomputed`.execute(
        world.db,
      )
    ).rows as [{ sum: string; recomputed: string }];
    expect(sum).toBe(recomputed);
  });

  test("voided rounds leave the snapshot and the board; a model that has nothing left is not ranked by nothing", async () => {
    await using world = await twoMinutes();
    await sql`update scores set current = false where model_id = 'b'`.execute(world.db); // what a void leaves
    await world.build(T0 + MINUTE_MS, T0 + 2 * MINUTE_MS);
    const corrected = (await snapshotsOf(world, "b"))[1]!;
    expect(corrected).toMatchObject({ revision: 1, prediction_count: 0, result_summary_jsonb: { missed: 0 } });
    expect(await world.entry("b")).toBeUndefined();
    expect((await world.entry("a")).score.metrics.score_recent).toBeCloseTo(
      mean(Array.from({ length: 10 }, (_, i) => value(i, 1))),
      12,
    );
    await world.build(T0 + 2 * MINUTE_MS, T0 + 3 * MINUTE_MS);
    expect(await snapshotsOf(world, "b")).toHaveLength(2); // taken back once, and nothing new
  });

  test("another version of the scorer takes the place of the first; both rows stay, one is current", async () => {
    await using world = await twoMinutes();
    const id = `round/scoring/X-20/${T0}`;
    const round = (await roundById(world.db, id))!;
    const competition = testCompetition({ score: () => ({ value: 7 }) });
    const predictions = await predictionsOf(world.db, round);
    const scores = await scoreAnswered(
      { competition, scorer: contractScorer(competition.score, "scorer-2") },
      predictions.map((prediction) => ({ prediction, truth: {}, scope: { subject: "X" } })),
    );
    await world.db.transaction().execute((tx) => storeLateScores(tx, round, scores, () => null));
    await world.build(T0 + MINUTE_MS, T0 + 2 * MINUTE_MS);
    const rows = await world.db
      .selectFrom("scores")
      .select(["scorer_hash", "current", "value"])
      .where("round_id", "=", id)
      .where("model_id", "=", "a")
      .orderBy("scorer_hash")
      .execute();
    expect(rows.map((r) => [r.scorer_hash, r.current])).toEqual([
      ["scorer-1", false],
      ["scorer-2", true],
    ]);
    const values = Array.from({ length: 10 }, (_, i) => (i === 0 ? 7 : value(i, 1)));
    expect((await world.entry("a")).score.metrics.score_recent).toBeCloseTo(mean(values), 10);
  });
});
