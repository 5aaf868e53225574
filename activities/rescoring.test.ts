import { expect, test } from "vitest";
import type { Competition } from "../competitions/competition.ts";
import { defineCompetition } from "../competitions/define.ts";
import { contractScorer } from "../competitions/scorer.ts";
import type { ScorableRow } from "../db/predictions.ts";
import { scoreRoundsAgain } from "./rescoring.ts";

const competition = defineCompetition({
  id: "again",
  score: ({ value }) => {
    if (value === 666) throw new Error("cannot bear it");
    return { value };
  },
}) as unknown as Competition;
const rules = { competition, scorer: contractScorer(competition.score, "h") };
const row = (model_id: string, status: ScorableRow["status"], value?: number): ScorableRow => ({
  ...{ id: `PRE_${model_id}`, model_id, deployment_id: "", status, reason: null },
  inference_output_jsonb: value === undefined ? null : { value },
});
const round = (...predictions: ScorableRow[]) => ({ predictions, truth: { profit: 1 }, scope: { subject: "X" } });
const valuesOf = async (...rounds: ReturnType<typeof round>[]) =>
  (await scoreRoundsAgain(rules, rounds)).map((scores) => scores.map((s) => [s.modelId, s.value, s.success]));

test("what was answered is scored, what was refused gets its second chance, the missing are as bad as the worst", async () => {
  const scored = round(row("a", "SCORED", 3), row("b", "FAILED", 2), row("c", "FAILED"), row("d", "TIMEOUT"));
  expect(await valuesOf(scored)).toEqual([
    [
      ["a", 3, true],
      ["b", 2, true],
      ["c", 2, false],
      ["d", 2, false],
    ],
  ]);
});

test("a prediction that this scorer refuses is FAILED for it, with a dead letter", async () => {
  const [[a, b]] = (await scoreRoundsAgain(rules, [
    round(row("a", "SCORED", 3), row("b", "SCORED", 666)),
  ])) as never as [[{ value: number }, { value: number; deadLetter: unknown }]];
  expect([a.value, b.value, b.deadLetter]).toEqual([3, 3, { error: "Error: cannot bear it", attempts: 3 }]);
});

test("an ensemble is nobody's worst; what was voided is left out; rounds do not mix", async () => {
  const first = round(
    row("__ensemble_all__", "SCORED", -9),
    row("a", "SCORED", 1),
    row("b", "ABSENT"),
    row("c", "VOIDED", -5),
  );
  const second = round(row("a", "SCORED", -7), row("b", "ABSENT"), row("__ensemble_all__", "SCORED", 666));
  expect(await valuesOf(first, second)).toEqual([
    [
      ["a", 1, true],
      ["b", 1, false],
      ["__ensemble_all__", -9, true],
    ],
    [
      ["a", -7, true],
      ["b", -7, false],
    ],
  ]);
});
