import { describe, expect, test } from "vitest";
import type { Competition, MissingPolicy } from "../competitions/competition.ts";
import { defineCompetition } from "../competitions/define.ts";
import { contractScorer, type Scorer } from "../competitions/scorer.ts";
import type { ScorableRow } from "../db/predictions.ts";
import { scorePredictions } from "./scorer.ts";

type Row = ScorableRow;
const row = (model: string, output: unknown, status: Row["status"] = "PENDING"): Row =>
  ({
    id: `PRE_x/${model}`,
    model_id: model,
    deployment_id: `${model}-1`,
    status,
    reason: status === "PENDING" ? null : `because of ${status}`,
    inference_output_jsonb: output,
  }) as Row;

function competition(
  score: (value: never) => unknown,
  missing: MissingPolicy = { kind: "worst-of-round" },
): Competition {
  const defined = defineCompetition({
    id: "t",
    score: (({ value }: { value: never }) => score(value)) as never,
    missing: { ABSENT: missing, TIMEOUT: missing, FAILED: missing },
    pair: (prediction, truth) => {
      if (prediction.value === 13) throw new Error("no pair of thirteen");
      return { predicted: prediction.value, actual: truth.profit };
    },
  });
  return defined as unknown as Competition;
}
const scoresOf = (
  contract: Competition,
  rows: readonly Row[],
  scorer: Scorer = contractScorer(contract.score, "hash"),
) => scorePredictions({ competition: contract, scorer }, rows, { truth: { profit: 0.5 }, scope: { subject: "X" } });
const plain = competition((value) => ({ value }));

describe("scores of a round", () => {
  test("are the scorer's where there is an answer, and the worst of the round where there is none", async () => {
    const rows = [row("a", { value: 3 }), row("b", null, "TIMEOUT"), row("c", { value: 5 }), row("d", null, "ABSENT")];
    const scores = await scoresOf(plain, rows);
    expect(scores.map((s) => [s.modelId, s.value, s.success, s.failedReason, s.deploymentId])).toEqual([
      ["a", 3, true, null, "a-1"],
      ["b", 3, false, "because of TIMEOUT", "b-1"],
      ["c", 5, true, null, "c-1"],
      ["d", 3, false, "because of ABSENT", "d-1"],
    ]);
    expect(scores[0]!.pair).toEqual({ predicted: 3, actual: 0.5 });
    expect(scores[1]!.result).toEqual({ value: 3, missing: "TIMEOUT" });
  });

  test("do not depend on the order of the rows", async () => {
    const rows = [row("a", { value: 3 }), row("b", null, "FAILED"), row("c", { value: -5 }), row("d", { value: 666 })];
    const byModel = (scores: Awaited<ReturnType<typeof scoresOf>>) =>
      scores.toSorted((x, y) => (x.modelId < y.modelId ? -1 : 1));
    expect(byModel(await scoresOf(plain, rows.toReversed()))).toEqual(byModel(await scoresOf(plain, rows)));
  });

  test("whoever the contract leaves out has a row that counts in no mean", async () => {
    const scores = await scoresOf(
      competition((value) => ({ value }), { kind: "excluded" }),
      [row("a", { value: 3 }), row("b", null, "TIMEOUT")],
    );
    expect(scores[1]).toMatchObject({ value: null, success: false, result: { missing: "TIMEOUT" } });
  });

  test("a score that the scorer calls failed has no value, whatever number stands beside it", async () => {
    const scores = await scoresOf(
      competition(() => ({ value: 0, success: false, failed_reason: "entry price is 0", distance: Number.NaN })),
      [row("a", { value: 3 })],
    );
    expect(scores[0]).toMatchObject({ value: null, success: false, failedReason: "entry price is 0" });
    expect(scores[0]!.deadLetter).toBeUndefined();
    expect(scores[0]!.result).toEqual({ value: 0, success: false, failed_reason: "entry price is 0" });
  });

  test.each([
    ["NaN", () => ({ value: Number.NaN }), "the scorer answered value = NaN"],
    ["an infinite part", () => ({ value: 1, ratio: Number.POSITIVE_INFINITY }), "the scorer answered ratio = Infinity"],
    ["no value", () => ({}), "the scorer answered no value"],
    ["a number alone", () => 5, "the scorer answered number, not an object with a value"],
    ["null", () => null, "the scorer answered null, not an object with a value"],
    ["a list", () => [1], "the scorer answered object, not an object with a value"],
    ["a promise", async () => ({ value: 1 }), "the scorer answered no value"],
  ])("%s is refused three times, and is a dead letter that counts as FAILED", async (_, answer, error) => {
    const contract = competition((value) => (value === 1 ? answer() : { value }));
    const scores = await scoresOf(contract, [row("a", { value: 1 }), row("b", { value: -2 })]);
    expect(scores[0]).toMatchObject({ deadLetter: { error, attempts: 3 }, value: -2, success: false });
    expect(scores[0]!.result).toEqual({ value: -2, missing: "FAILED" });
    expect(scores[1]).toMatchObject({ value: -2, success: true });
  });

  test("only what failed is asked again, and a scorer that finds its feet is believed", async () => {
    const batches: string[][] = [];
    const scorer: Scorer = {
      hash: "h",
      scoreBatch: async (items) => {
        batches.push(items.map((i) => i.modelId));
        return items.map((i) =>
          i.modelId === "b" && batches.length < 3 ? { error: "not yet" } : { result: { value: 1 } },
        );
      },
    };
    const scores = await scoresOf(
      plain,
      [row("a", { value: 1 }), row("b", { value: 1 }), row("c", { value: 1 })],
      scorer,
    );
    expect(batches).toEqual([["a", "b", "c"], ["b"], ["b"]]);
    expect(scores.every((s) => s.success)).toBe(true);
  });

  test("what hung is not asked again; what the database could not hold is cleaned", async () => {
    let asked = 0;
    const scorer: Scorer = {
      hash: "h",
      scoreBatch: async (items) => {
        asked++;
        return items.map(() => ({ error: `hung\u0000 here ${"x".repeat(600)}\ud800`, final: true }));
      },
    };
    const scores = await scoresOf(plain, [row("a", { value: 1 })], scorer);
    expect(asked).toBe(1);
    expect(scores[0]!.deadLetter!.attempts).toBe(1);
    expect(scores[0]!.failedReason).toHaveLength(500);
    expect(scores[0]!.failedReason).not.toContain("\u0000");
    expect(scores[0]!.value, "nobody has a value: nobody earns anything").toBeNull();
  });

  test("a scorer with fewer answers than questions is an error of the batch", async () => {
    const scorer: Scorer = { hash: "h", scoreBatch: async () => [] };
    await expect(scoresOf(plain, [row("a", { value: 1 })], scorer)).rejects.toThrow("0 answers to 1 predictions");
  });

  test("a pair that cannot be made leaves the score standing", async () => {
    const scores = await scoresOf(plain, [row("a", { value: 13 })]);
    expect(scores[0]).toMatchObject({ value: 13, success: true, pair: null });
  });
});
