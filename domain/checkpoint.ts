import type { RecordedDecision } from "./decision.ts";

/** Public: what people and peers' tools see. */
export const CHECKPOINT_STATUSES = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID", "VOID"] as const;
export type CheckpointStatus = (typeof CHECKPOINT_STATUSES)[number];

/**
 * Internal phases and the legal next ones. Back to PLANNED: the attempt is dead and its markers are absent at finalized, or a
 * person said retry. BLOCKED and FAILED to FINAL: it landed after all, as somebody noticed. SEEN back to SENT: a fork dropped it, the same bytes go out again. From FINAL on nothing goes back.
 */
export const NEXT_PHASES = {
  SEALED: ["AWAITING_APPROVAL", "VOID"],
  AWAITING_APPROVAL: ["PLANNED", "BLOCKED", "VOID"],
  PLANNED: ["SIGNED", "FINAL", "BLOCKED", "CONFLICT", "FAILED"],
  SIGNED: ["SENT", "SEEN", "FINAL", "PLANNED", "BLOCKED", "CONFLICT", "FAILED"],
  SENT: ["SEEN", "FINAL", "PLANNED", "BLOCKED", "CONFLICT", "FAILED"],
  SEEN: ["FINAL", "SENT", "PLANNED", "BLOCKED", "CONFLICT", "FAILED"],
  FINAL: ["CLAIMABLE"],
  CLAIMABLE: ["PAYING", "PAID"],
  PAYING: ["PAID"],
  PAID: [],
  BLOCKED: ["SEALED", "AWAITING_APPROVAL", "PLANNED", "FINAL", "VOID"],
  CONFLICT: ["PLANNED", "VOID"],
  FAILED: ["PLANNED", "FINAL", "VOID"],
  VOID: [],
} as const satisfies Record<string, readonly string[]>;

export type CheckpointPhase = keyof typeof NEXT_PHASES;
export const CHECKPOINT_PHASES = Object.keys(NEXT_PHASES) as CheckpointPhase[];

const STATUS_OF: Partial<Record<CheckpointPhase, CheckpointStatus>> = {
  FINAL: "SUBMITTED",
  CLAIMABLE: "CLAIMABLE",
  PAYING: "CLAIMABLE",
  PAID: "PAID",
  VOID: "VOID",
};

export const publicStatus = (phase: CheckpointPhase): CheckpointStatus => STATUS_OF[phase] ?? "PENDING";

export const isLegal = (from: CheckpointPhase, to: CheckpointPhase): boolean =>
  (NEXT_PHASES[from] as readonly CheckpointPhase[]).includes(to);

/** Nothing is left to do. */
export const isDone = (phase: CheckpointPhase): boolean => phase === "PAID" || phase === "VOID";

/** The emission is on chain for good. */
export const isSubmitted = (phase: CheckpointPhase): boolean =>
  ["FINAL", "CLAIMABLE", "PAYING", "PAID"].includes(phase);

/** What a person may decide, and in which phases; the same table answers the update validators, the API and the page. */
const DECISION_PHASES = {
  approve: ["AWAITING_APPROVAL"],
  retry: ["FAILED", "CONFLICT"],
  retryBlocked: ["BLOCKED", "FINAL", "CLAIMABLE", "PAYING"],
  void: ["AWAITING_APPROVAL", "BLOCKED", "CONFLICT", "FAILED"],
} as const satisfies Record<string, readonly CheckpointPhase[]>;

export type Decision = keyof typeof DECISION_PHASES;

/** The reason why `decision` is not open in `phase`, or null where it is. */
export function refusal(decision: Decision, phase: CheckpointPhase): string | null {
  const open: readonly CheckpointPhase[] = DECISION_PHASES[decision];
  return open.includes(phase) ? null : `${decision} is open in ${open.join(", ")}; the checkpoint is ${phase}`;
}

const LINE: readonly CheckpointPhase[] = [
  "SEALED",
  "AWAITING_APPROVAL",
  "PLANNED",
  "SIGNED",
  "SENT",
  "SEEN",
  "FINAL",
  "CLAIMABLE",
  "PAYING",
  "PAID",
];
const WAITS_FOR_A_PERSON: readonly CheckpointPhase[] = ["BLOCKED", "CONFLICT", "FAILED"];

/** Phases that show their cause, and that a person has to resolve. */
export const isTrouble = (phase: CheckpointPhase): boolean => WAITS_FOR_A_PERSON.includes(phase);

/**
 * The chain attempt that the step from `from` to `to` is counted under: every step back (a dead attempt, a fork, a retry by a person) begins
 * the next one. With (from, to) it names a transition, so that the same step run twice is recognised.
 */
export const attemptOfStep = (from: CheckpointPhase, to: CheckpointPhase, attempt: number): number => {
  const back = LINE.indexOf(to) >= 0 && (isTrouble(from) || LINE.indexOf(to) < LINE.indexOf(from));
  return back ? attempt + 1 : attempt;
};

/** Where a checkpoint stands: what its workflow carries along. The row has the last word. */
export interface CheckpointPosition {
  id: string;
  phase: CheckpointPhase;
  attempt: number;
  /** false while a BLOCKED seal has no emission yet */
  hasEmission: boolean;
  txHash: string | null;
  cause: string | null;
}

/** Who moves a checkpoint, and why: both go into the log. */
export interface Reason {
  actor: string;
  cause: string;
  /** written down together with the step that it makes */
  decision?: RecordedDecision;
}
