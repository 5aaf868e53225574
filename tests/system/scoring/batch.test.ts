import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { record } from "./story.ts";
import { MINUTE_MS, scoringWorld, T0, testCompetition } from "./world.ts";

const NUL = "\u0000";
const plan = { models: ["a", "b", "c"], from: 0, count: 1, everyMs: 10_000 };

/** A value of 2 gives what no database takes. */
const withNul = () =>
  testCompetition({
    score: (prediction) => {
      const { value } = prediction as { value: number };
      return value === 2 ? { value, note: `half a text${NUL}` } : { value };
    },
  });

describe("rounds that come due together", () => {
  const several = { ...plan, count: 30, everyMs: 1_000, scopes: ["X-20", "Y-20"] };
  const answers = (m: string, i: number) =>
    m === "c" && i % 5 === 0 ? ("TIMEOUT" as const) : { value: m === "b" && i % 7 === 3 ? 2 : i + 3 };

  test("are stored as those that come one by one, a refused one among them", async () => {
    const told: string[] = [];
    for (const together of [false, true]) {
      await using world = await scoringWorld(withNul());
      const ids = await world.collect({ ...several, answers });
      const each = async (act: (id: string) => Promise<string>): Promise<string[]> => {
        if (together) return Promise.all([...ids, ids[0]!].map(act)); // a second attempt while the first is under way
        const statuses: string[] = [];
        for (const id of ids) statuses.push(await act(id));
        return statuses;
      };
      expect(new Set(await each(world.resolveTruth))).toEqual(new Set(["RESOLVED"]));
      expect(new Set(await each(world.scoreRound))).toEqual(new Set(["SCORED"]));
      await world.build(T0, T0 + MINUTE_MS);
      const letters = await world.db
        .selectFrom("dead_letters")
        .select("prediction_id")
        .orderBy("prediction_id")
        .execute();
      expect(letters).toHaveLength(8);
      told.push(JSON.stringify(letters) + (await record(world.db)));
    }
    expect(told[1]).toBe(told[0]);
  });
});

describe("storing the scores of a round", () => {
  test("what the database refuses is one model's dead letter; the others of the batch stand", async () => {
    await using world = await scoringWorld(withNul());
    const [id] = await world.collect({ ...plan, answers: (m) => ({ value: "abc".indexOf(m) + 1 }) });
    await world.resolveTruth(id!);
    expect(await world.scoreRound(id!)).toBe("SCORED");
    const predictions = await world.db.selectFrom("predictions").selectAll().orderBy("model_id").execute();
    expect(predictions.map((p) => p.status)).toEqual(["SCORED", "FAILED", "SCORED"]);
    expect(predictions[1]!.reason).toMatch(/^the scorer refused it 1 times: .*unsupported Unicode/);
    const letters = await world.db.selectFrom("dead_letters").select(["model_id", "stage", "attempts"]).execute();
    expect(letters).toEqual([{ model_id: "b", stage: "score", attempts: 1 }]);
    const scores = await world.db.selectFrom("scores").select(["model_id", "value"]).orderBy("model_id").execute();
    expect(scores).toEqual([
      { model_id: "a", value: 1 },
      { model_id: "b", value: null },
      { model_id: "c", value: 3 },
    ]);
  });

  test("every double survives storing and counting to the last bit", async () => {
    const values = [0.1 + 0.2, 5e-324, -1.7976931348623157e308, 1 / 3, 2 ** 53 + 2];
    const competition = testCompetition({
      score: (prediction) => ({ value: values[(prediction as { value: number }).value]! }),
      pair: (prediction) => ({ predicted: values[(prediction as { value: number }).value]!, actual: 1 / 7 }),
      metrics: [],
    });
    await using world = await scoringWorld(competition);
    const models = values.map((_, i) => `m${i}`);
    const [id] = await world.collect({ ...plan, models, answers: (m) => ({ value: Number(m.slice(1)) }) });
    await world.resolveTruth(id!);
    await world.scoreRound(id!);
    await world.build(T0, T0 + MINUTE_MS);
    const rows = await world.db
      .selectFrom("scores")
      .select(["value", "predicted", "actual"])
      .orderBy("model_id")
      .execute();
    expect(rows).toEqual(values.map((value) => ({ value, predicted: value, actual: 1 / 7 })));
    for (const [i, value] of values.entries())
      expect((await world.entry(`m${i}`)).score.metrics.score_recent).toBe(value);
  });

  test("failed and left-out scores are in no mean; they count as rounds that were not answered", async () => {
    const competition = testCompetition({
      score: (prediction, truth) =>
        (prediction as { value: number }).value === 0
          ? { value: 0, success: false, failed_reason: "nothing to score" }
          : testCompetition().score(prediction, truth),
      missing: { ABSENT: { kind: "excluded" }, TIMEOUT: { kind: "excluded" }, FAILED: { kind: "excluded" } },
      participationFloor: 0.5,
    });
    await using world = await scoringWorld(competition);
    const ids = await world.collect({
      ...plan,
      count: 4,
      answers: (m, i) =>
        m === "a" ? { value: 1 } : m === "b" ? (i === 0 ? { value: 1 } : "TIMEOUT") : { value: i === 0 ? 1 : 0 },
    });
    for (const id of ids) {
      await world.resolveTruth(id);
      await world.scoreRound(id);
    }
    await world.build(T0, T0 + MINUTE_MS);
    const [a, b, c] = [await world.entry("a"), await world.entry("b"), await world.entry("c")];
    expect(b!.score.metrics.score_recent).toBe(c!.score.metrics.score_recent);
    expect(b).toMatchObject({ participation: 0.25, missed: 3, prediction_count: 1 });
    expect(c).toMatchObject({ participation: 0.25, missed: 3, prediction_count: 1 });
    expect(a).toMatchObject({ participation: 1, missed: 0, prediction_count: 4, rank: 1 });
    const snapshot = await world.db
      .selectFrom("snapshots")
      .selectAll()
      .where("model_id", "=", "c")
      .executeTakeFirstOrThrow();
    expect(snapshot).toMatchObject({ prediction_count: 1, result_summary_jsonb: { missed: 3 } });
    expect(Object.keys(snapshot.result_summary_jsonb)).not.toContain("success");
  });

  test("the window of a long-running competition looks at no row that it does not reach", async () => {
    await using world = await scoringWorld(testCompetition());
    const ids = await world.collect({ ...plan, count: 6, answers: () => ({ value: 1 }) });
    for (const id of ids) {
      await world.resolveTruth(id);
      await world.scoreRound(id);
    }
    await world.build(T0, T0 + MINUTE_MS);
    await world.build(T0 + MINUTE_MS, T0 + 2 * MINUTE_MS);
    const later = T0 + 9 * 24 * 60 * MINUTE_MS;
    await world.build(T0 + 2 * MINUTE_MS, later);
    expect(await world.board(), "everything is older than the longest window").toEqual([]);
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from score_sums`.execute(world.db);
    expect(rows[0]!.n, "sums that nobody reaches back to are dropped").toBe(0);
  });
});
