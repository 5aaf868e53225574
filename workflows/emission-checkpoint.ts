import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import {
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import type { CheckpointActivities, SealedPeriod } from "../activities/checkpoint.ts";
import type { PayoutActivities } from "../activities/payout.ts";
import type { Observation, SigningActivities, SubmissionActivities } from "../activities/submission.ts";
import {
  type CheckpointPhase,
  type CheckpointPosition,
  isDone,
  isSubmitted,
  isTrouble,
  type Reason,
} from "../domain/checkpoint.ts";
import { siblingQueue } from "../domain/ids.ts";
import type { Period } from "../domain/period.ts";
import { type Decisions, listenForDecisions } from "./decisions.ts";

interface CheckpointResult {
  id: string;
  phase: CheckpointPhase;
  txHash: string | null;
}

/** Seal, approve, submit, pay. The row says what is done already; a run that was stopped anywhere goes on from it. */
export async function emissionCheckpoint(period: Period): Promise<CheckpointResult> {
  const run: Run = { period, decisions: listenForDecisions(), table: "", approvesItself: false };
  let at = await seal(run);
  while (!isDone(at.phase)) {
    at = moved(run, await next(run, at));
    if (workflowInfo().continueAsNewSuggested) {
      await run.decisions.close();
      await continueAsNew<typeof emissionCheckpoint>(period);
    }
  }
  await run.decisions.close();
  return { id: at.id, phase: at.phase, txHash: at.txHash };
}

interface Run {
  period: Period;
  decisions: Decisions;
  table: string;
  approvesItself: boolean;
}

const POLL = "2s";
const BLOCKED_PAYOUT_POLL = "1 minute";
/** Signatures per go: then a person looks. */
const MAX_ATTEMPTS = 10;
const NODE = { actor: "node" };

function next(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  if (isTrouble(at.phase)) return person(run, at);
  if (at.phase === "SEALED" || at.phase === "AWAITING_APPROVAL") return approval(run, at);
  if (!isSubmitted(at.phase)) return submission(run, at);
  if (at.phase === "FINAL") return chain.freezePayouts({ id: at.id });
  return payouts(run, at);
}

async function seal(run: Run): Promise<CheckpointPosition> {
  return sealedAs(run, await rows.sealPeriod(run.period));
}

async function approval(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  if (at.phase === "SEALED") return move(at, "AWAITING_APPROVAL", { ...NODE, cause: "sealed, waits for approval" });
  if (run.approvesItself)
    return chain.freezePlan({ id: at.id, reason: { ...NODE, cause: "approved by itself: NETWORK is LOCAL" } });
  const { kind, reason } = await run.decisions.next();
  return kind === "void" ? move(at, "VOID", reason) : chain.freezePlan({ id: at.id, reason });
}

/** BLOCKED, CONFLICT and FAILED wait for as long as it takes. */
async function person(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { kind, reason } = await run.decisions.next();
  if (kind === "void") return move(at, "VOID", reason);
  if (at.hasEmission) return move(at, "PLANNED", reason);
  return sealedAs(run, await rows.resealPeriod({ period: run.period, reason }));
}

/** Looks, then acts on what it saw, until the markers are final or a person is needed. */
async function submission(run: Run, from: CheckpointPosition): Promise<CheckpointPosition> {
  let at = from;
  for (let signed = 0; !isSubmitted(at.phase) && !isTrouble(at.phase); ) {
    const seen = await chain.observe({ id: at.id, part: 0 });
    if (seen.kind === "absent" || seen.kind === "dead") {
      if (signed === MAX_ATTEMPTS)
        return move(at, "FAILED", { ...NODE, cause: `${signed} attempts died, the last one: ${lastWords(seen)}` });
      if (at.phase !== "PLANNED") at = moved(run, await giveUp(at, lastWords(seen)));
      at = moved(run, await attempt(at, seen.n + 1));
      signed++;
    } else {
      at = moved(run, await accept(at, seen));
    }
    if (!isSubmitted(at.phase) && !isTrouble(at.phase)) await condition(() => false, POLL);
  }
  return at;
}

/** What is seen of a living attempt, written down; unknown bytes that may still land are sent again. */
async function accept(at: CheckpointPosition, seen: Observation): Promise<CheckpointPosition> {
  const { id } = at;
  if (seen.kind === "blocked") return move(at, "BLOCKED", { ...NODE, cause: seen.cause });
  if (seen.kind === "conflict")
    return move(at, "CONFLICT", { ...NODE, cause: "another content of this checkpoint is final on chain" });
  if (seen.kind === "seen")
    return at.phase === "SEEN" ? at : move(at, "SEEN", { ...NODE, cause: "the cluster has it" }, seen.signature);
  if (seen.kind === "final") {
    await chain.settle({ id, part: 0, final: true, signature: seen.signature });
    return move(at, "FINAL", { ...NODE, cause: "both markers are final" }, seen.signature);
  }
  if (at.phase === "SEEN") await move(at, "SENT", { ...NODE, cause: "a fork dropped it: the same bytes again" });
  return (await chain.broadcast({ id, part: 0, n: seen.n })).position;
}

async function attempt(at: CheckpointPosition, n: number): Promise<CheckpointPosition> {
  const prepared = await signing().prepareAttempt({ id: at.id, part: 0, n });
  if (prepared.kind === "wait") return at;
  if (prepared.kind === "blocked") return move(at, "BLOCKED", { ...NODE, cause: prepared.cause });
  return (await chain.broadcast({ id: at.id, part: 0, n })).position;
}

async function giveUp(at: CheckpointPosition, cause: string): Promise<CheckpointPosition> {
  await chain.settle({ id: at.id, part: 0, final: false, signature: null });
  return move(at, "PLANNED", { ...NODE, cause });
}

/** One pass over the batches that are not final; none left: paid. */
async function payouts(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { id } = at;
  run.decisions.take(); // a retry: this pass is one
  const open = await chain.openPayouts({ id });
  const done = at.phase === "CLAIMABLE" ? "nobody is to be paid" : "every batch is final";
  if (open.length === 0) return move(at, "PAID", { ...NODE, cause: done });
  let trouble: string | null = null;
  for (const part of open) trouble = (await payoutStep(id, part)) ?? trouble;
  const after = await chain.explain({ id, cause: trouble });
  await run.decisions.wait(trouble === null ? POLL : BLOCKED_PAYOUT_POLL);
  return after;
}

/** The reason why this batch does not go on, or null. */
async function payoutStep(id: string, part: number): Promise<string | null> {
  const seen = await chain.observe({ id, part });
  if (seen.kind === "final") await chain.settle({ id, part, final: true, signature: seen.signature });
  if (seen.kind === "live") await chain.broadcast({ id, part, n: seen.n });
  if (seen.kind === "blocked") return seen.cause;
  if (seen.kind !== "absent" && seen.kind !== "dead") return null;
  if (seen.kind === "dead") await chain.settle({ id, part, final: false, signature: null });
  const prepared = await signing().prepareAttempt({ id, part, n: seen.n + 1 });
  if (prepared.kind === "signed") await chain.broadcast({ id, part, n: prepared.n });
  return prepared.kind === "blocked" ? prepared.cause : null;
}

const lastWords = (seen: Observation): string => (seen.kind === "dead" ? seen.reason : "no attempt is left on record");

const move = (
  at: CheckpointPosition,
  to: CheckpointPhase,
  reason: Reason,
  txHash?: string | null,
): Promise<CheckpointPosition> =>
  rows.recordTransition({
    id: at.id,
    from: at.phase,
    to,
    attempt: at.attempt,
    ...reason,
    ...(txHash ? { txHash } : {}),
  });

function sealedAs(run: Run, sealed: SealedPeriod): CheckpointPosition {
  const { table, approvesItself, ...at } = sealed;
  Object.assign(run, { table, approvesItself });
  return moved(run, at);
}

const STATE = defineSearchAttributeKey("CheckpointState", SearchAttributeType.KEYWORD);

/** Shows where the checkpoint stands in the Temporal UI, and lets waiting decisions know. */
function moved(run: Run, at: CheckpointPosition): CheckpointPosition {
  if (run.decisions.phase() !== at.phase) upsertSearchAttributes([{ key: STATE, value: at.phase }]);
  const trouble = at.cause === null ? [] : [`**${at.cause}**`];
  setCurrentDetails(
    [`**${at.id}: ${at.phase}**`, ...trouble, ...(at.txHash ? [`transaction ${at.txHash}`] : []), run.table].join(
      "\n\n",
    ),
  );
  run.decisions.moved(at);
  return at;
}

const rows = proxyActivities<CheckpointActivities>({
  startToCloseTimeout: "5m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "15s" },
});
const chain = proxyActivities<SubmissionActivities & PayoutActivities>({
  startToCloseTimeout: "30s",
  heartbeatTimeout: "10s",
  retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
});
const signing = () =>
  proxyActivities<SigningActivities>({
    taskQueue: siblingQueue(workflowInfo().taskQueue, "signing"),
    startToCloseTimeout: "30s",
    heartbeatTimeout: "10s",
    retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
  });
