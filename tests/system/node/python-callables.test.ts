import { join } from "node:path";
import { expect, test } from "vitest";
import { startNode, until } from "./harness.ts";

const says = (value: number) => ({
  source: `from tracker import TrackerBase


class Model(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        return {"value": ${value}}
`,
});

test("a competition whose callables are all Python: rounds go on, what the scorer raises and hangs on costs only itself", async () => {
  await using node = await startNode({
    models: { steady: "steady", raises: says(666), hangs: says(777), bold: says(999) },
    env: {
      COMPETITION: join(import.meta.dirname, "competitions/pythonic/competition.ts"),
      INFERENCE_OUTPUT_VALIDATOR: "rules:validate",
      MODEL_SCORE_AGGREGATOR: "rules:aggregate",
      LEADERBOARD_RANKER: "rules:rank",
      CALLABLE_TIMEOUT_SECONDS: "0.3",
      MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: "0",
    },
  });
  const { db } = node;
  const scored = () => db.selectFrom("rounds").selectAll().where("status", "=", "SCORED").orderBy("due_at").execute();
  await until("five rounds are scored", 90_000, async () => (await scored()).length >= 5);
  const board = () =>
    db.selectFrom("leaderboards").selectAll().orderBy("window_end", "desc").limit(1).executeTakeFirst();
  await until("a board ranks three models", 60_000, async () => ((await board())?.entries_jsonb.length ?? 0) >= 3);

  // On a busy machine a model may miss a deadline: a round that all four answered.
  const whole = async () => (await scored()).find((r) => r.counts_jsonb.answered === 3 && r.counts_jsonb.failed === 1);
  await until("a round that everybody answered is scored", 60_000, async () => (await whole()) !== undefined);
  const round = await whole();
  const rows = await db.selectFrom("predictions").selectAll().where("round_id", "=", round!.id).execute();
  const of = (model: string) => rows.find((p) => p.model_id === model)!;
  expect(of("steady").status).toBe("SCORED");
  expect(of("bold")).toMatchObject({
    status: "FAILED",
    reason: expect.stringContaining("output refused: ValueError: too bold"),
  });
  expect(of("raises")).toMatchObject({
    status: "FAILED",
    reason: expect.stringMatching(
      /refused it 3 times: ValueError: the scorer cannot bear this number \(rules\.py, line \d+\)/,
    ),
  });
  expect(of("hangs")).toMatchObject({
    status: "FAILED",
    reason: expect.stringMatching(/did not answer within \d+ ms/),
  });

  const truth = await db.selectFrom("truths").selectAll().where("round_id", "=", round!.id).executeTakeFirstOrThrow();
  expect(truth.evidence_jsonb).toMatchObject({ resolver: "python" });
  const score = await db
    .selectFrom("scores")
    .selectAll()
    .where("round_id", "=", round!.id)
    .where("model_id", "=", "steady")
    .executeTakeFirstOrThrow();
  expect(score.value).toBe(0.001 * (truth.result_jsonb as { profit: number }).profit * 10_000);
  expect(score.result_jsonb).toMatchObject({ of: "steady", asked: "SP500", success: true });
  const input = await db.selectFrom("inputs").selectAll().where("id", "=", round!.input_id!).executeTakeFirstOrThrow();
  expect(input.raw_data_jsonb).toMatchObject({ symbol: "SP500", candles_last: [{ close: expect.any(Number) }] });

  const ranked = (await board())!.entries_jsonb.map((row) => row.model_id);
  expect(ranked).toEqual(ranked.toSorted().toReversed());
  const snapshot = await db
    .selectFrom("snapshots")
    .selectAll()
    .where("model_id", "=", "steady")
    .limit(1)
    .executeTakeFirstOrThrow();
  expect(snapshot.result_summary_jsonb).toHaveProperty("largest");
  const contract = await db
    .selectFrom("contracts")
    .selectAll()
    .where("hash", "=", round!.contract_hash)
    .executeTakeFirstOrThrow();
  expect(Object.keys(contract.body_jsonb.callables as object).sort()).toEqual([
    "aggregateSnapshot",
    "buildInput",
    "rankModels",
    "resolveTruth",
    "score",
    "validateOutput",
  ]);
}, 240_000);

test("a start whose callables are wrong names all of them and ends with the exit code of settings", async () => {
  const started = startNode({
    models: { steady: "steady" },
    groups: ["score"],
    env: { SCORING_FUNCTION: "nowhere:score", LEADERBOARD_RANKER: "no.ts", INFERENCE_INPUT_BUILDER: "what" },
  });
  await expect(started).rejects.toThrow(
    /score ended with 3:[\s\S]*3 mistake\(s\):[\s\S]*SCORING_FUNCTION: nowhere:score: no module nowhere[\s\S]*INFERENCE_INPUT_BUILDER: what is none[\s\S]*LEADERBOARD_RANKER: no\.ts: no such file/,
  );
});
