import { expect, test } from "vitest";
import { MINUTE_MS, scoringWorld, T0, testCompetition } from "./world.ts";

/** A market that only rises; `same` says always the same, and so does its twin. */
const rising = (i: number): number => 0.001 * (i + 1);

async function board(compat: "crunch-node" | undefined) {
  const competition = testCompetition({
    metrics: ["ic"],
    resolveTruth: ({ dueMs }) => ({
      resolved: { profit: rising((dueMs - T0) / 10_000), entry_price: 1, resolved_price: 1 },
      evidence: {},
    }),
    missing: { ABSENT: { kind: "excluded" }, TIMEOUT: { kind: "excluded" }, FAILED: { kind: "excluded" } },
    ...(compat ? { compat } : {}),
  });
  await using world = await scoringWorld(competition);
  const ids = await world.collect({
    ...{ models: ["bad", "same", "same-too", "silent"], from: 0, count: 6, everyMs: 10_000 },
    answers: (m) => (m === "silent" ? "ABSENT" : { value: m === "bad" ? -1 : 1 }),
  });
  for (const id of ids) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  await world.build(T0, T0 + 2 * MINUTE_MS);
  return await world.board();
}

test("ours: a constant prediction knows nothing, equals share a rank, the silent have no value and come last", async () => {
  const rows = await board(undefined);
  expect(rows.map((r) => [r.model_id, r.rank, r.score.metrics.ic])).toEqual([
    ["same", 1, 0],
    ["same-too", 1, 0],
    ["bad", 3, 0],
    ["silent", 4, 0],
  ]);
  expect(rows.at(-1)!.score.ranking.value).toBeNull();
});

test("compat crunch-node: constant IC 1, ties by place, and silence beats a bad model", async () => {
  const rows = await board("crunch-node");
  expect(rows.map((r) => [r.model_id, r.rank, r.score.ranking.value === 0])).toEqual([
    ["same", 1, false],
    ["same-too", 2, false],
    ["silent", 3, true],
    ["bad", 4, false],
  ]);
  expect(rows[0]!.score.metrics.ic).toBeCloseTo(1, 12);
});
