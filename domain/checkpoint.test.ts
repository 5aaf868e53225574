import { describe, expect, test } from "vitest";
import {
  attemptOfStep,
  CHECKPOINT_PHASES,
  CHECKPOINT_STATUSES,
  isDone,
  isLegal,
  isSubmitted,
  NEXT_PHASES,
  publicStatus,
  refusal,
} from "./checkpoint.ts";

const pairs = CHECKPOINT_PHASES.flatMap((from) => CHECKPOINT_PHASES.map((to) => [from, to] as const));
const order = (status: string) => (CHECKPOINT_STATUSES as readonly string[]).indexOf(status);

describe("the table of phases", () => {
  test("names only phases that there are", () => {
    for (const next of Object.values(NEXT_PHASES)) for (const to of next) expect(CHECKPOINT_PHASES).toContain(to);
  });
  test.each(pairs.filter(([from, to]) => isLegal(from, to)))(
    "%s to %s never takes a public status back",
    (from, to) => {
      expect(order(publicStatus(to))).toBeGreaterThanOrEqual(order(publicStatus(from)));
      if (isSubmitted(from)) expect(isSubmitted(to)).toBe(true);
    },
  );
  test("ends are ends, and every other phase leads to one", () => {
    for (const phase of CHECKPOINT_PHASES) expect(NEXT_PHASES[phase].length === 0).toBe(isDone(phase));
    const reaches = (from: string, seen = new Set<string>()): boolean =>
      isDone(from as never) ||
      (!seen.has(from) &&
        NEXT_PHASES[from as keyof typeof NEXT_PHASES].some((to) => reaches(to, new Set([...seen, from]))));
    for (const phase of CHECKPOINT_PHASES) expect(reaches(phase)).toBe(true);
  });
  test("SUBMITTED needs finality: only FINAL leads out of PENDING, or VOID", () => {
    for (const [from, to] of pairs.filter(
      ([a, b]) => isLegal(a, b) && publicStatus(a) === "PENDING" && publicStatus(b) !== "PENDING",
    ))
      expect(["FINAL", "VOID"], `${from} to ${to}`).toContain(to);
  });
});

describe("attempts are counted by steps back", () => {
  test.each([
    ["SIGNED", "SENT", 3, 3],
    ["SENT", "PLANNED", 3, 4],
    ["SEEN", "SENT", 3, 4],
    ["BLOCKED", "PLANNED", 3, 4],
    ["FAILED", "VOID", 3, 3],
    ["PLANNED", "BLOCKED", 3, 3],
    ["SENT", "FINAL", 3, 3],
  ] as const)("%s to %s", (from, to, attempt, expected) => expect(attemptOfStep(from, to, attempt)).toBe(expected));
});

test("decisions are open only where they mean something", () => {
  expect(refusal("approve", "AWAITING_APPROVAL")).toBeNull();
  expect(refusal("approve", "SENT")).toBe("approve is open in AWAITING_APPROVAL; the checkpoint is SENT");
  for (const phase of CHECKPOINT_PHASES) if (refusal("void", phase) === null) expect(isLegal(phase, "VOID")).toBe(true);
  for (const phase of ["PLANNED", "SIGNED", "SENT", "SEEN", "FINAL"] as const)
    expect(refusal("void", phase)).not.toBeNull();
});
