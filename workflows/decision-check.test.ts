import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CheckpointPosition } from "../domain/checkpoint.ts";
import type { Control, DecisionInput } from "../domain/decision.ts";
import { statementOf } from "../domain/decision.ts";
import { decisionBytes, decisionText } from "../proofs/decision.ts";
import { toHex } from "../proofs/hash.ts";
import { askedOf, requireSignature, whatIsOpen } from "./decision-check.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
const NOW = Date.parse("2026-11-21T00:00:00Z");
const at: CheckpointPosition = {
  ...{ id: "CKP_1", phase: "AWAITING_APPROVAL", attempt: 1, hasEmission: true, txHash: null, cause: null },
};
const control: Control = {
  ...{ network: "DEVNET", crunch: "C", emissionHash: "ab", signed: true, approvalsNeeded: 1, objectionUntilMs: 0 },
  ...{ approvers: [{ address: "alice", publicKey: toHex(raw) }], approvals: [], answered: [] },
};
const input: DecisionInput = { key: "k1", expires_at: "2026-11-21T00:10:00.000Z", approver: "alice" };
const signed = (change: Partial<DecisionInput> = {}, over: Partial<Control> = {}): DecisionInput => {
  const text = decisionBytes(statementOf({ ...control, ...over }, "CKP_1", "approve", { ...input, ...change }));
  return { ...input, ...change, signature: sign(null, text, privateKey).toString("hex") };
};
const check = (given: unknown, action: "approve" | "void" = "approve", now = NOW) => {
  const asked = askedOf(control, at, action, given, () => "new");
  requireSignature(control, asked, given, now);
  return asked;
};
const failing = (type: string, words: string) =>
  expect.objectContaining({ type, message: expect.stringContaining(words), nonRetryable: true });

describe("off LOCAL", () => {
  test("the canonical text is signed, and the key is the actor", () => {
    const asked = check(signed({ reason: "fine" }));
    expect(asked).toMatchObject({ actor: "alice", reason: "fine", key: "k1", checkpoint: "CKP_1" });
    expect(asked.statement).toBe(
      '{"action":"approve","checkpoint":"CKP_1","crunch":"C","emission_hash":"ab","expires_at":"2026-11-21T00:10:00.000Z","key":"k1","network":"DEVNET","reason":"fine","type":"almanac-decision/1"}',
    );
  });
  test("what is unsigned is refused with the command that signs it", () => {
    const wanted = failing("Unsigned", "almanac checkpoint sign CKP_1 approve --key <key file>");
    for (const given of [undefined, {}, { actor: "mallory" }, { ...signed(), signature: undefined }, input])
      expect(() => check(given)).toThrow(wanted);
  });
  test.each<[string, () => unknown, string]>([
    ["another action", () => signed(), "void"],
    ["another emission", () => signed({}, { emissionHash: "ac" }), "approve"],
    ["another network", () => signed({}, { network: "MAINNET" }), "approve"],
    ["another crunch", () => signed({}, { crunch: "D" }), "approve"],
    ["another reason", () => ({ ...signed(), reason: "other" }), "approve"],
    ["another key", () => ({ ...signed(), key: "k2" }), "approve"],
    ["another time", () => ({ ...signed(), expires_at: "2026-11-21T00:10:00.001Z" }), "approve"],
    ["half a signature", () => ({ ...signed(), signature: "00ff" }), "approve"],
    ["a signature of nothing", () => ({ ...signed(), signature: "00".repeat(64) }), "approve"],
  ])("a signature over %s is refused", (_, given, action) => {
    const asked = { ...(given() as object), ...(action === "void" ? { reason: "x" } : {}) };
    expect(() => check(asked, action as "approve")).toThrow(failing("BadSignature", "does not belong"));
  });
  test("every flipped bit of a signature is seen", () => {
    const { signature, ...rest } = signed();
    for (let i = 0; i < 128; i += 7) {
      const flipped = (Number.parseInt(signature![i]!, 16) ^ 1).toString(16);
      const other = `${signature!.slice(0, i)}${flipped}${signature!.slice(i + 1)}`;
      expect(() => check({ ...rest, signature: other })).toThrow(failing("BadSignature", ""));
    }
  });
  test("a key that is no approver's, and a time that is over or too far, are named", () => {
    expect(() => check({ ...signed(), approver: "bob" })).toThrow(failing("NotApprover", "APPROVERS has alice"));
    expect(() => check(signed(), "approve", NOW + 600_000)).toThrow(failing("Expired", "sign it again"));
    expect(() => check(signed({ expires_at: "2027-11-21T00:00:00.000Z" }))).toThrow(failing("Expired", "seven days"));
    expect(() => check(signed({ expires_at: "tomorrow" }))).toThrow(failing("Expired", "not a UTC time"));
  });
  test("a look at the chain needs no signature, and nobody's name is logged for it", () => {
    const asked = askedOf(
      control,
      at,
      "confirm",
      { to: "SUBMITTED", tx_hash: "5g", actor: "mallory", key: "k" },
      String,
    );
    expect(asked).toMatchObject({ actor: "node", to: "SUBMITTED", txHash: "5g" });
    expect(() => askedOf(control, at, "confirm", { to: "SUBMITTED" }, String)).toThrow(
      failing("BadDecision", "tx_hash"),
    );
    expect(() => askedOf(control, at, "confirm", { to: "VOID" }, String)).toThrow(failing("BadDecision", "to is"));
  });
  test("the Temporal UI shows what it waits for and how to decide", () => {
    expect(whatIsOpen(control, at).join("\n")).toMatch(
      /waits for 0 of 1 approvals[\s\S]*open to decide: approve, void[\s\S]*sign CKP_1 void --reason/,
    );
    expect(whatIsOpen({ ...control, approvals: ["alice"], objectionUntilMs: NOW }, at)[0]).toContain(
      "objection window",
    );
    expect(whatIsOpen(control, { ...at, phase: "SENT" })).toEqual([]);
  });
});

describe("on LOCAL", () => {
  const local = { ...control, signed: false };
  test("a hand-sent update without arguments is taken, under a new key", () => {
    expect(askedOf(local, at, "approve", undefined, () => "new")).toMatchObject({
      ...{ actor: "temporal-ui", key: "new", statement: null, signature: null },
    });
  });
  test("void wants a reason, and fields are texts of bounded length", () => {
    expect(() => askedOf(local, at, "void", { actor: "a" }, String)).toThrow(failing("BadDecision", "reason"));
    for (const given of [
      { actor: 1 },
      { reason: "x".repeat(501) },
      "approve",
      [],
      { key: "a\u0000" },
      { actor: "\ud800" },
    ])
      expect(() => askedOf(local, at, "approve", given, String)).toThrow(failing("BadDecision", ""));
  });
});

test("the same decision signed anew, for longer, has the same body", () => {
  const one = check(signed());
  const two = check(signed({ expires_at: "2026-11-21T00:20:00.000Z" }));
  expect([two.body, two.statement === one.statement]).toEqual([one.body, false]);
  expect(decisionText(statementOf(control, "CKP_1", "approve", input))).toBe(one.statement);
});
