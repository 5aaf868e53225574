import { continueAsNew, workflowInfo } from "@temporalio/workflow";
import { type CheckpointPhase, type CheckpointPosition, isDone, isSubmitted, isTrouble } from "../domain/checkpoint.ts";
import type { Period } from "../domain/period.ts";
import { approval, person } from "./checkpoint-approval.ts";
import { freezing, payouts } from "./checkpoint-payouts.ts";
import { evidence } from "./checkpoint-seal.ts";
import { moved, type Run, rows, sealedAs } from "./checkpoint-steps.ts";
import { submission } from "./checkpoint-submission.ts";
import { listenForDecisions } from "./decisions.ts";

interface CheckpointResult {
  id: string;
  phase: CheckpointPhase;
  txHash: string | null;
}

/** Half of what one run's history is allowed to grow to: a pass over many payouts may still come on top. */
const MAX_EVENTS = 1_000;

/** What the next run of a checkpoint that waits for long has to know, beside the row. */
type Carried = Pick<Run, "idle" | "signed">;

/** Seal, approve, submit, pay. The row says what is done already; a run that was stopped anywhere goes on from it. */
export async function emissionCheckpoint(period: Period, carried?: Carried): Promise<CheckpointResult> {
  const { idle, signed } = carried ?? { idle: 0, signed: 0 };
  const run: Run = { period, decisions: listenForDecisions(), table: "", payouts: "", idle, signed };
  let at = await seal(run);
  while (!isDone(at.phase)) {
    at = moved(run, await next(run, at));
    if (isTrouble(at.phase) || isSubmitted(at.phase)) run.signed = 0;
    if (workflowInfo().historyLength > MAX_EVENTS && !isDone(at.phase)) {
      await run.decisions.close();
      await continueAsNew<typeof emissionCheckpoint>(period, { idle: run.idle, signed: run.signed });
    }
  }
  await run.decisions.close();
  return { id: at.id, phase: at.phase, txHash: at.txHash };
}

async function next(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  if (isTrouble(at.phase)) return person(run, at);
  if (at.phase === "SEALED") await evidence(at.id);
  if (at.phase === "SEALED" || at.phase === "AWAITING_APPROVAL") return approval(run, at);
  if (!isSubmitted(at.phase)) return submission(run, at);
  if (at.phase === "FINAL") return freezing(run, at);
  return payouts(run, at);
}

async function seal(run: Run): Promise<CheckpointPosition> {
  const sealed = await rows.sealPeriod(run.period);
  await run.decisions.readControl(sealed.id);
  return sealedAs(run, sealed);
}
