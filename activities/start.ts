import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowStartOptions } from "@temporalio/client";
import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from "@temporalio/common";
import { parseRoundId, SIGNAL, taskQueue, tournamentWorkflowId, WORKFLOW, windowId } from "../domain/ids.ts";
import type { RoundInput } from "../domain/round.ts";
import type { WindowSpan } from "./window.ts";

export const SEARCH = {
  competition: defineSearchAttributeKey("Competition", SearchAttributeType.KEYWORD),
  subject: defineSearchAttributeKey("Subject", SearchAttributeType.KEYWORD),
  resolveAt: defineSearchAttributeKey("ResolveAt", SearchAttributeType.DATETIME),
};

/** The reuse policy of every workflow with a business id: one that ended well is never run twice, one that was stopped may be resumed. */
export const BY_BUSINESS_ID = {
  workflowIdConflictPolicy: "USE_EXISTING",
  workflowIdReusePolicy: "ALLOW_DUPLICATE_FAILED_ONLY",
} as const;

async function startOnce(client: Client, type: string, options: WorkflowStartOptions): Promise<void> {
  await client.workflow.start(type, options).catch(unlessItEndedWell);
}

/** It ended well before: nothing is left to do. */
function unlessItEndedWell(error: unknown): void {
  if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
}

export interface RoundStart {
  competition: string;
  subject: string;
  input: RoundInput;
  /** skips the queue where client and worker share a connection */
  eager?: boolean;
}

/** A short workflow task timeout lets another worker take a round over while its deadline lasts. */
const workflowTaskTimeout = (input: RoundInput): number => (input.deadlineMs - input.dueMs <= 1_000 ? 2_000 : 10_000);

export const startRoundWorkflow = (client: Client, { competition, subject, input, eager }: RoundStart): Promise<void> =>
  startOnce(client, WORKFLOW.predictionRound, {
    ...BY_BUSINESS_ID,
    taskQueue: taskQueue("predict", competition),
    workflowId: input.roundId,
    args: [input],
    workflowTaskTimeout: workflowTaskTimeout(input),
    staticSummary: `${parseRoundId(input.roundId).scopeKey} due ${new Date(input.dueMs).toISOString()}`,
    typedSearchAttributes: [
      { key: SEARCH.competition, value: competition },
      { key: SEARCH.subject, value: subject },
      { key: SEARCH.resolveAt, value: new Date(input.resolveAtMs) },
    ] as SearchAttributePair[],
    ...(eager ? { requestEagerStart: true } : {}),
  });

export const startWindowWorkflow = (client: Client, competition: string, span: WindowSpan): Promise<void> =>
  startOnce(client, WORKFLOW.scoringWindow, {
    ...BY_BUSINESS_ID,
    taskQueue: taskQueue("score", competition),
    workflowId: windowId(competition, span.endMs),
    args: [span],
    staticSummary: `window ending ${new Date(span.endMs).toISOString()}`,
    typedSearchAttributes: [{ key: SEARCH.competition, value: competition }] as SearchAttributePair[],
  });

export interface TournamentStart {
  competition: string;
  id: string;
  /** truths wait to be scored: the workflow is told, and started where there is none */
  truthPosted: boolean;
}

export async function startTournamentWorkflow(client: Client, start: TournamentStart): Promise<void> {
  const { competition, id, truthPosted } = start;
  const options = {
    taskQueue: taskQueue("predict", competition),
    workflowId: tournamentWorkflowId(competition, id),
    args: [id],
    staticSummary: `tournament round ${id}`,
    typedSearchAttributes: [{ key: SEARCH.competition, value: competition }] as SearchAttributePair[],
  };
  if (!truthPosted) return startOnce(client, WORKFLOW.tournamentRound, { ...BY_BUSINESS_ID, ...options });
  await client.workflow
    .signalWithStart(WORKFLOW.tournamentRound, {
      ...options,
      workflowIdReusePolicy: BY_BUSINESS_ID.workflowIdReusePolicy,
      signal: SIGNAL.truthPosted,
    })
    .catch(unlessItEndedWell);
}
