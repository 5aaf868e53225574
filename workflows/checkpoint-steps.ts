import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { proxyActivities, setCurrentDetails, upsertSearchAttributes, workflowInfo } from "@temporalio/workflow";
import type { CheckpointActivities, SealedPeriod } from "../activities/checkpoint.ts";
import type { PayoutActivities } from "../activities/payout.ts";
import type { SigningActivities, SubmissionActivities } from "../activities/submission.ts";
import type { CheckpointPhase, CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import { siblingQueue } from "../domain/ids.ts";
import type { Period } from "../domain/period.ts";
import type { Decisions } from "./decisions.ts";

/** What one run of emissionCheckpoint carries along; the row has the last word. */
export interface Run {
  period: Period;
  decisions: Decisions;
  table: string;
  approvesItself: boolean;
}

export const NODE = { actor: "node" };

export const move = (
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

export function sealedAs(run: Run, sealed: SealedPeriod): CheckpointPosition {
  const { table, approvesItself, ...at } = sealed;
  Object.assign(run, { table, approvesItself });
  return moved(run, at);
}

const STATE = defineSearchAttributeKey("CheckpointState", SearchAttributeType.KEYWORD);

/** Shows where the checkpoint stands in the Temporal UI, and lets waiting decisions know. */
export function moved(run: Run, at: CheckpointPosition): CheckpointPosition {
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

export const rows = proxyActivities<CheckpointActivities>({
  startToCloseTimeout: "5m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "15s" },
});
export const chain = proxyActivities<SubmissionActivities & PayoutActivities>({
  startToCloseTimeout: "30s",
  heartbeatTimeout: "10s",
  retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
});
export const signing = () =>
  proxyActivities<SigningActivities>({
    taskQueue: siblingQueue(workflowInfo().taskQueue, "signing"),
    startToCloseTimeout: "30s",
    heartbeatTimeout: "10s",
    retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
  });
