import { pino } from "pino";
import { expect, test } from "vitest";
import { retryDeadLetters } from "../../../activities/dead-letter.ts";
import type { Part } from "../../../activities/replay-part.ts";
import { replayScores } from "../../../activities/score-replay.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { contractScorer } from "../../../competitions/scorer.ts";
import { askRetry, excuse, listDeadLetters } from "../../../db/dead-letters.ts";
import { roundById } from "../../../db/rounds.ts";
import { MINUTE_MS, type ScoringWorld, scoringWorld, T0, testCompetition } from "../scoring/world.ts";

const replayed = async (world: ScoringWorld, competition: Competition, id: string): Promise<Part> => {
  const scorer = contractScorer(competition.score, "scorer-1");
  const loaded = { competition, scorer, scorerHash: "scorer-1", contractHash: "contract" } as never;
  return replayScores(
    { db: world.db, competition: loaded, marketAt: () => ({}) as never },
    (await roundById(world.db, id))!,
  );
};

test("scores are made again as they came to be: ensembles, the missing, dead letters retried and excused", async () => {
  let broken = true;
  const competition = testCompetition({
    score: (prediction, truth) => {
      if (broken && (prediction as { value: number }).value === 666) throw new Error("cannot bear it");
      return testCompetition().score(prediction, truth);
    },
    ensembles: [{ name: "all", strategy: "equal_weight" }],
  });
  await using world = await scoringWorld(competition);
  const plan = { models: ["a", "b", "c", "late"], everyMs: 10_000, from: 0, count: 12 };
  const ids = await world.collect({
    ...plan,
    answers: (m, i) => (m === "late" ? "TIMEOUT" : { value: i > 8 && m === "b" ? 666 : m === "a" ? 1 : -2 }),
  });
  for (const id of ids) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  for (let k = 0; k < 3; k++) await world.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
  const ensembles = await world.db
    .selectFrom("scores")
    .select("round_id")
    .where("model_id", "=", "__ensemble_all__")
    .execute();
  expect(ensembles.length).toBeGreaterThan(0);
  for (const id of ids)
    expect(await replayed(world, competition, id)).toMatchObject({ verdict: "equal", difference: null });

  const [last, middle] = await listDeadLetters(world.db, { limit: 10 });
  await excuse(world.db, last!.id, { actor: "ana", reason: "our fault" });
  await askRetry(world.db, middle!.id, { actor: "ana", reason: null });
  broken = false;
  const rules = { competition, scorer: contractScorer(competition.score, "scorer-1") };
  expect(await retryDeadLetters({ ...rules, db: world.db, log: pino({ level: "silent" }) })).toBe(1);
  for (const letter of [last!, middle!])
    expect(await replayed(world, competition, letter.round_id)).toMatchObject({ verdict: "equal", difference: null });
}, 60_000);
