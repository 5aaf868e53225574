import { continueAsNew, workflowInfo } from "@temporalio/workflow";
import { type CheckpointPhase, type CheckpointPosition, isDone, isSubmitted, isTrouble } from "../domain/checkpoint.ts";
import type { Period } from "../domain/period.ts";
import { approval, person } from "./checkpoint-approval.ts";
import { payouts } from "./checkpoint-payouts.ts";
import { chain, moved, type Run, rows, sealedAs } from "./checkpoint-steps.ts";
import { submission } from "./checkpoint-submission.ts";
import { listenForDecisions } from "./decisions.ts";

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
