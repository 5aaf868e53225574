import { expect, test } from "vitest";
import { CHECKPOINT_PHASES, type CheckpointPhase, type CheckpointStatus } from "./checkpoint.ts";
import { actionRefusal, actorOf, bodyOf, decisionInput, expiryProblem, hasReached } from "./decision.ts";

const confirmable = (to: CheckpointStatus): CheckpointPhase[] =>
  CHECKPOINT_PHASES.filter((phase) => actionRefusal("confirm", { id: "CKP_1", phase }, to) === null);

test("the chain is asked only where the next status may be on it", () => {
  expect(confirmable("SUBMITTED")).toEqual(["PLANNED", "SIGNED", "SENT", "SEEN", "BLOCKED", "FAILED"]);
  expect(confirmable("CLAIMABLE")).toEqual(["FINAL"]);
  expect(confirmable("PAID")).toEqual(["CLAIMABLE", "PAYING"]);
  expect(confirmable("PENDING")).toEqual([]);
  expect(confirmable("VOID")).toEqual([]);
  const words = (phase: CheckpointPhase) => actionRefusal("confirm", { id: "CKP_1", phase }, "SUBMITTED");
  expect(words("AWAITING_APPROVAL")).toContain("waits for approval");
  expect(words("CONFLICT")).toContain("no transaction can confirm");
  expect(words("PAID")).toBe("CKP_1 is PAID; nothing follows, not SUBMITTED");
});

test("a status is reached by itself and by what follows, never by VOID", () => {
  expect(CHECKPOINT_PHASES.filter((phase) => hasReached(phase, "CLAIMABLE"))).toEqual(["CLAIMABLE", "PAYING", "PAID"]);
  expect(hasReached("VOID", "PENDING")).toBe(false);
});

test("off LOCAL no name that somebody gives becomes the actor", () => {
  const given = { actor: "mallory", approver: "key" };
  expect(actorOf(true, "approve", given)).toBe("key");
  expect(actorOf(true, "confirm", given)).toBe("node");
  expect(actorOf(false, "confirm", given)).toBe("mallory");
});

test("bodies differ in every part, and parts cannot run into each other", () => {
  const bodies = [
    bodyOf("C", "void", "a", { reason: "b" }),
    bodyOf("C", "void", "ab", {}),
    bodyOf("C", "void", 'a","b', {}),
    bodyOf("C", "approve", "a", { reason: "b" }),
    bodyOf("D", "void", "a", { reason: "b" }),
    bodyOf("C", "confirm", "a", { to: "SUBMITTED" }),
    bodyOf("C", "confirm", "a", { to: "SUBMITTED", tx_hash: "x" }),
  ];
  expect(new Set(bodies).size).toBe(bodies.length);
});

test("an input keeps its known fields, trimmed; lines and umlauts are texts, control characters are none", () => {
  expect(decisionInput({ reason: " über\nzwei ", other: 1, actor: "" })).toEqual({ reason: "über\nzwei" });
  expect(() => decisionInput({ reason: "a\u0007" })).toThrow("reason is a text of at most 500 characters");
  expect(() => decisionInput("approve")).toThrow("one JSON object");
});

test("a time is UTC with milliseconds, ahead, and at most seven days", () => {
  const now = Date.parse("2026-11-21T00:00:00Z");
  expect(expiryProblem({ expires_at: "2026-11-21T00:00:00.001Z" }, now)).toBeNull();
  expect(expiryProblem({ expires_at: "2026-11-21T00:00:00.000Z" }, now)).toContain("sign it again");
  expect(expiryProblem({ expires_at: "2026-11-21T01:00:00Z" }, now)).toContain("not a UTC time");
  expect(expiryProblem({ expires_at: "2026-11-28T00:00:00.001Z" }, now)).toContain("seven days");
});
