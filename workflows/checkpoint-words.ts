import type { BundleActivities } from "../activities/bundle.ts";
import type { CheckpointActivities } from "../activities/checkpoint.ts";
import type { DecisionActivities } from "../activities/decision.ts";
import type { NoteActivities } from "../activities/note.ts";
import type { PayoutActivities } from "../activities/payout.ts";
import type { SigningActivities, SubmissionActivities } from "../activities/submission.ts";
import type { Words } from "./described.ts";

const what = (part: number): string => (part === 0 ? "the emission" : `payout batch ${part}`);
const day = (ms: number): string => new Date(ms).toISOString();

export const ROW_WORDS: Words<CheckpointActivities> = {
  sealPeriod: ({ startMs, endMs }) => `seal ${day(startMs)} to ${day(endMs)}, or find it sealed`,
  resealPeriod: ({ reason }) => `seal anew, as ${reason.actor} asked`,
  recordTransition: ({ from, to, cause }) => `${from} → ${to}: ${cause}`,
};

export const CHAIN_WORDS: Words<SubmissionActivities & PayoutActivities> = {
  freezePlan: ({ reason }) => `fix what is submitted: ${reason.cause}`,
  observe: ({ part }) => `look for the markers of ${what(part)} at finalized`,
  broadcast: ({ part, n }) => `send the stored bytes of ${what(part)}, attempt ${n}`,
  settle: ({ part, final }) => `${what(part)}: ${final ? "final" : "no attempt can land any more"}`,
  explain: ({ cause }) => (cause === null ? "nothing is in the way any more" : `waits: ${cause}`),
  freezePayouts: () => "fix who is paid how much in which transaction",
  observePayouts: () => "look for the markers of the open payout batches at finalized",
  explainBatch: ({ part, cause }) => `${what(part)}: ${cause}`,
};

export const SIGNING_WORDS: Words<SigningActivities> = {
  prepareAttempt: ({ part, n }) => `simulate, sign and store ${what(part)}, attempt ${n}`,
};

export const EVIDENCE_WORDS: Words<NoteActivities> = {
  signNote: () => "sign the head of the log of checkpoints",
};

export const BUNDLE_WORDS: Words<BundleActivities> = {
  writeBundle: () => "write the evidence bundle, or find it written",
};

export const DECISION_WORDS: Words<DecisionActivities> = {
  readControl: () => "read who decides, and what was decided",
  openApproval: () => "sealed: waits for approval",
  recordDecision: ({ decision }) => `${decision.action} by ${decision.actor}`,
  inspectTransaction: ({ signature }) => `is ${signature.slice(0, 16)}… ours and finalized?`,
};
