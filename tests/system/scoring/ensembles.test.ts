import { describe, expect, test } from "vitest";
import { snapshotsOfPeriod } from "../../../db/period-snapshots.ts";
import { MINUTE_MS, profitOf, type ScoringWorld, scoringWorld, T0, testCompetition } from "./world.ts";

const EVERY_MS = 10_000;
const actual = (i: number): number => profitOf((i * EVERY_MS) / 1_000);
/** a is nearly right, b is wild, c errs as much as b and is silent in every third round. */
const said = (model: string, i: number): number =>
  actual(i) + (model === "a" ? 0.0001 : model === "b" ? 0.02 : -0.02) * (i % 2 === 0 ? 1 : -1);

async function played(own: Parameters<typeof testCompetition>[0]): Promise<ScoringWorld> {
  const world = await scoringWorld(testCompetition(own));
  const plan = { models: ["a", "b", "c"], everyMs: EVERY_MS };
  for (let k = 0; k < 3; k++) {
    const ids = await world.collect({
      ...{ ...plan, from: k * 6, count: 6 },
      answers: (m, i) => (m === "c" && i % 3 === 0 ? "TIMEOUT" : { value: said(m, i) }),
    });
    for (const id of ids) {
      await world.resolveTruth(id);
      await world.scoreRound(id);
    }
  }
  for (let k = 0; k < 4; k++) await world.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
  return world;
}

const answersOf = async (world: ScoringWorld, name: string) =>
  (
    await world.db
      .selectFrom("predictions")
      .selectAll()
      .where("model_id", "=", `__ensemble_${name}__`)
      .orderBy("due_at")
      .execute()
  ).map((p) => ({
    i: (p.due_at.getTime() - T0) / EVERY_MS,
    value: p.inference_output_jsonb!.value as number,
    weights: p.meta_jsonb.weights as Record<string, number>,
    status: p.status,
  }));

describe("an ensemble", () => {
  test("answers with its members who answered, from the first window that left weights, and is scored like them", async () => {
    await using world = await played({ ensembles: [{ name: "mean", strategy: "equal_weight" }] });
    const answers = await answersOf(world, "mean");
    expect(
      answers.map((x) => x.i),
      "due after the first window's end",
    ).toEqual(Array.from({ length: 12 }, (_, k) => k + 6));
    for (const { i, value, status } of answers) {
      const members = i % 3 === 0 ? ["a", "b"] : ["a", "b", "c"];
      expect(value).toBeCloseTo(members.reduce((sum, m) => sum + said(m, i), 0) / members.length, 12);
      expect(status).toBe("SCORED");
    }
    const scores = await world.db
      .selectFrom("scores")
      .selectAll()
      .where("model_id", "=", "__ensemble_mean__")
      .execute();
    expect(scores).toHaveLength(12);
    for (const s of scores) expect(s.value).toBeCloseTo(s.predicted! * s.actual! * 10_000, 9);
  });

  test("by inverse variance of the errors trusts who errs least, with what was known when the round was due", async () => {
    await using world = await played({ ensembles: [{ name: "sure", strategy: "inverse_variance" }] });
    const answers = await answersOf(world, "sure");
    expect(answers.every((x) => x.weights.a! > 0.999)).toBe(true);
    for (const { i, value } of answers) expect(Math.abs(value - actual(i))).toBeLessThan(0.001);
    const epochs = await world.db.selectFrom("ensemble_weights").select("from_at").orderBy("from_at").execute();
    const first = epochs[0]!.from_at.getTime();
    expect(first).toBe(T0 + MINUTE_MS);
    expect(Math.min(...answers.map((x) => T0 + x.i * EVERY_MS))).toBeGreaterThanOrEqual(first);
  });

  test("takes the best n of the board, or those above a metric", async () => {
    await using world = await played({
      ensembles: [
        { name: "best", strategy: "equal_weight", filter: { kind: "top_n", n: 1 } },
        { name: "good", strategy: "equal_weight", filter: { kind: "min_metric", metric: "ic", threshold: 0.9 } },
        { name: "none", strategy: "equal_weight", filter: { kind: "min_metric", metric: "ic", threshold: 2 } },
      ],
    });
    const boards = await world.db.selectFrom("leaderboards").selectAll().orderBy("window_end").execute();
    const leader = boards[0]!.entries_jsonb[0]!.model_id;
    expect((await answersOf(world, "best")).filter((x) => x.i < 12).map((x) => Object.keys(x.weights))).toEqual(
      Array(6).fill([leader]),
    );
    expect(new Set((await answersOf(world, "good")).flatMap((x) => Object.keys(x.weights)))).toEqual(new Set(["a"]));
    expect(await answersOf(world, "none")).toEqual([]);
  });

  test("takes nobody's place on the board and nothing of the money, and tells its members what they add", async () => {
    const metrics = ["ic", "contribution", "ensemble_correlation"];
    await using without = await played({ metrics });
    await using world = await played({ metrics, ensembles: [{ name: "mean", strategy: "equal_weight" }] });
    const ranks = async (w: ScoringWorld) =>
      (await w.board()).filter((e) => !e.model_id.startsWith("__")).map((e) => [e.model_id, e.rank]);
    expect(await ranks(world)).toEqual(await ranks(without));
    expect((await world.board()).map((e) => e.model_id).at(-1)).toBe("__ensemble_mean__");
    const a = (await world.entry("a")).score.metrics;
    expect(a.contribution).toBeGreaterThan(0);
    expect(a.ensemble_correlation).toBeGreaterThan(0);
    expect((await without.entry("a")).score.metrics.contribution).toBe(0);
    const paid = (await Array.fromAsync(snapshotsOfPeriod(world.db, T0, T0 + 10 * MINUTE_MS))).flat();
    expect(new Set(paid.map((s) => s.model_id))).toEqual(new Set(["a", "b", "c"]));
  });
});
