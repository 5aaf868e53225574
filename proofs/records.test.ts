import { hash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalBytes } from "./canonical.ts";
import { type PredictionFacts, type ScoreFacts, scoreRecord } from "./from-rows.ts";
import { leafHash } from "./merkle.ts";
import { inScoreOrder, joinHashes, type ProofRecord, recordHash, splitHashes } from "./records.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer");

test("a record's hash is the leaf hash of its canonical bytes, whatever it holds", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
      const record = { type: "round/1", truth: value } as unknown as ProofRecord;
      expect(recordHash(sha256, record)).toEqual(leafHash(sha256, canonicalBytes(record)));
    }),
  );
});

test("hashes laid end to end come apart again; another length is no list", () => {
  const hashes = [1, 2, 3].map((i) => sha256(Uint8Array.of(i)));
  expect(splitHashes(joinHashes(hashes)).map((h) => Buffer.from(h))).toEqual(hashes);
  expect(() => splitHashes(new Uint8Array(33))).toThrow(RangeError);
});

test("scores are ordered by due time, then by the id's code units", () => {
  const order = [
    { due_ms: 2, round_id: "a" },
    { due_ms: 1, round_id: "b" },
    { due_ms: 1, round_id: "Z" },
  ].sort(inScoreOrder);
  expect(order.map((o) => o.round_id)).toEqual(["Z", "b", "a"]);
});

describe("what a model did stays what it was", () => {
  const score: ScoreFacts = {
    ...{ model_id: "m", deployment_id: "d", scorer_hash: "s", value: null, success: false },
    ...{ failed_reason: "no answer", result_jsonb: { missing: "TIMEOUT" } },
  };
  const said = (prediction: Partial<PredictionFacts>, of: Partial<ScoreFacts> = {}) =>
    scoreRecord(
      "round",
      { status: "PENDING", reason: null, inference_output_jsonb: null, ...prediction },
      { ...score, ...of },
    ).prediction;
  const output = { value: 1 };
  const answered = { status: "PENDING", reason: null, output };

  test("an answer, whatever became of it", () => {
    for (const status of ["PENDING", "SCORED", "FAILED", "VOIDED"])
      expect(said({ status, reason: "the scorer refused it", inference_output_jsonb: output })).toEqual(answered);
  });
  test("none, before and after it was voided", () => {
    const before = said({ status: "TIMEOUT", reason: "no answer" });
    expect(before).toEqual({ status: "TIMEOUT", reason: "no answer", output: null });
    expect(said({ status: "VOIDED", reason: "the feed had a gap" })).toEqual(before);
    const unexplained = { status: "ABSENT", reason: null };
    const asAbsent = { failed_reason: "ABSENT", result_jsonb: { missing: "ABSENT" } };
    expect(said({ status: "VOIDED", reason: "the feed had a gap" }, asAbsent)).toEqual(said(unexplained, asAbsent));
  });
  test("without the words of the model", () => {
    const reason = "MODEL_FAILED: DIED: my secret alpha";
    expect(said({ status: "FAILED", reason })).toEqual({
      status: "FAILED",
      reason: "MODEL_FAILED: DIED",
      output: null,
    });
    const voided = { failed_reason: reason, result_jsonb: { missing: "FAILED" } };
    expect(said({ status: "VOIDED", reason: "void" }, voided)).toEqual(said({ status: "FAILED", reason }, voided));
  });
});
