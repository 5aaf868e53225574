import { describe, expect, test } from "vitest";
import type { DeploymentPolicy } from "../../../competitions/competition.ts";
import { MINUTE_MS, profitOf, scoringWorld, T0, testCompetition } from "./world.ts";

const EVERY_MS = 10_000;
const ROUNDS = 16;
/** Model b is deployed anew in round 10 and says something else from then on. */
const NEW_FROM = 10;
const score = (i: number, said: number): number => said * profitOf((i * EVERY_MS) / 1_000) * 10_000;
const mean = (from: number, to: number, said: number): number =>
  Array.from({ length: to - from }, (_, k) => score(from + k, said)).reduce((a, b) => a + b, 0) / (to - from);

async function standing(onNewDeployment: DeploymentPolicy) {
  const windows = [
    { name: "score_recent", hours: 1 },
    { name: "score_anchor", hours: 24 },
  ];
  await using world = await scoringWorld(testCompetition({ onNewDeployment, windows }));
  const ids = await world.collect({
    ...{ models: ["a", "b"], from: 0, count: ROUNDS, everyMs: EVERY_MS },
    answers: (m, i) => ({ value: m === "a" ? 1 : i < NEW_FROM ? 5 : -3 }),
    deployment: (m, i) => (m === "b" && i >= NEW_FROM ? "b-2" : `${m}-1`),
  });
  for (const id of ids) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  for (let k = 0; k < 4; k++) await world.build(T0 + k * MINUTE_MS, T0 + (k + 1) * MINUTE_MS);
  return { b: await world.entry("b"), a: await world.entry("a") };
}

describe("a new deployment", () => {
  test("keep: goes on where the old one was", async () => {
    const { b } = await standing("keep");
    const all = (mean(0, NEW_FROM, 5) * NEW_FROM + mean(NEW_FROM, ROUNDS, -3) * (ROUNDS - NEW_FROM)) / ROUNDS;
    expect(b.score.metrics.score_recent).toBeCloseTo(all, 10);
    expect(b.former).toEqual([]);
  });

  test("reset: its windows begin anew, and only its answers are in the metrics", async () => {
    const { a, b } = await standing("reset");
    expect(b.score.metrics.score_recent).toBeCloseTo(mean(NEW_FROM, ROUNDS, -3), 10);
    expect(b.prediction_count).toBe(ROUNDS - NEW_FROM);
    expect(b.windows.score_recent!.covered_hours).toBeLessThan(a.windows.score_recent!.covered_hours);
    expect(b.score.metrics.max_drawdown).not.toBe(0);
    expect(b.former).toEqual([]);
    expect(a.prediction_count).toBe(ROUNDS);
  });

  test("split: the newest is ranked, and the former one keeps a standing of its own", async () => {
    const { a, b } = await standing("split");
    expect(b.score.metrics.score_recent).toBeCloseTo(mean(NEW_FROM, ROUNDS, -3), 10);
    expect(b.former).toMatchObject([{ deployment_id: "b-1", prediction_count: NEW_FROM }]);
    expect(b.former![0]!.windows.score_recent).toBeCloseTo(mean(0, NEW_FROM, 5), 10);
    expect(a.former).toEqual([]);
  });
});
