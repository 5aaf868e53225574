import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from "@temporalio/workflow";
import type { CheckpointActivities, SealedPeriod } from "../activities/checkpoint.ts";
import type { PayoutActivities } from "../activities/payout.ts";
import type { SigningActivities, SubmissionActivities } from "../activities/submission.ts";
import type { CheckpointPhase, CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import { siblingQueue } from "../domain/ids.ts";
import { markdownText } from "../domain/markdown.ts";
import type { Period } from "../domain/period.ts";
import { CHAIN_WORDS, ROW_WORDS, SIGNING_WORDS } from "./checkpoint-words.ts";
import { whatIsOpen } from "./decision-check.ts";
import type { Decisions } from "./decisions.ts";
import { described } from "./described.ts";

/** What one run of emissionCheckpoint carries along; the row has the last word. */
export interface Run {
  period: Period;
  decisions: Decisions;
  table: string;
  /** the payout batches as Markdown; empty while there are none */
  payouts: string;
  /** looks at the chain since one of them changed anything */
  idle: number;
  /** attempts that this go has signed */
  signed: number;
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
  const { table, ...at } = sealed;
  run.table = table;
  return moved(run, at);
}

const STATE = defineSearchAttributeKey("CheckpointState", SearchAttributeType.KEYWORD);

/** Causes name crunchers, whose names are their own choice. */
const LONGEST_CAUSE = 2_000;

/** Shows where the checkpoint stands in the Temporal UI, and lets waiting decisions know. */
export function moved(run: Run, at: CheckpointPosition): CheckpointPosition {
  const before = run.decisions.phase();
  if (before !== at.phase) upsertSearchAttributes([{ key: STATE, value: at.phase }]);
  if (before !== null && before !== at.phase) run.idle = 0;
  const trouble = at.cause === null ? [] : [`**${markdownText(at.cause, LONGEST_CAUSE)}**`];
  const open = whatIsOpen(run.decisions.control(), at);
  setCurrentDetails(
    [
      `**${at.id}: ${at.phase}**`,
      ...trouble,
      ...open,
      ...(at.txHash ? [`transaction ${at.txHash}`] : []),
      run.table,
      run.payouts,
    ].join("\n\n"),
  );
  run.decisions.moved(at);
  return at;
}

export const rows = described<CheckpointActivities>(
  {
    startToCloseTimeout: "5m",
    heartbeatTimeout: "15s",
    retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "15s" },
  },
  ROW_WORDS,
);
const ASKED_AGAIN = {
  heartbeatTimeout: "10s",
  retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
} as const;
export const chain = described<SubmissionActivities & PayoutActivities>(
  { startToCloseTimeout: "2m", ...ASKED_AGAIN },
  CHAIN_WORDS,
);
/** Who signs may be a person with a device: see SIGNER_TIMEOUT_SECONDS. */
export const signing = () =>
  described<SigningActivities>(
    {
      taskQueue: siblingQueue(workflowInfo().taskQueue, "signing"),
      startToCloseTimeout: "15m",
      ...ASKED_AGAIN,
    },
    SIGNING_WORDS,
  );
