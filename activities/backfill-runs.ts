import { type Client, WithStartWorkflowOperation, type WorkflowStartOptions } from "@temporalio/client";
import { openBackfills } from "../db/backfill.ts";
import type { Database } from "../db/database.ts";
import type { BackfillCommand } from "../domain/backfill.ts";
import { backfillWorkflowId, taskQueue, UPDATE, WORKFLOW } from "../domain/ids.ts";
import type { BackfillProgress } from "./backfill.ts";
import { SEARCH } from "./start.ts";

export interface BackfillRun {
  competition: string;
  id: string;
  subject: string;
}

/** The row decides what is left to do, so a run of that id may always be started again; where one runs, it is that one. */
const optionsOf = ({ competition, id, subject }: BackfillRun) =>
  ({
    taskQueue: taskQueue("score", competition),
    workflowId: backfillWorkflowId(id),
    args: [{ id }],
    staticSummary: `backfill of ${subject}`,
    typedSearchAttributes: [
      { key: SEARCH.competition, value: competition },
      { key: SEARCH.subject, value: subject },
    ],
    workflowIdConflictPolicy: "USE_EXISTING",
    workflowIdReusePolicy: "ALLOW_DUPLICATE",
  }) satisfies WorkflowStartOptions;

export async function startBackfillWorkflow(client: Client, run: BackfillRun): Promise<void> {
  await client.workflow.start(WORKFLOW.backfill, optionsOf(run));
}

/**
 * Says it to the workflow, which is started where it is not there. @throws WorkflowUpdateFailedError whose cause is an ApplicationFailure
 * of type NotOpen where the job's status does not allow it
 */
export function commandBackfillWorkflow(
  client: Client,
  run: BackfillRun,
  command: BackfillCommand,
): Promise<BackfillProgress> {
  const startWorkflowOperation = new WithStartWorkflowOperation(WORKFLOW.backfill, optionsOf(run));
  return client.workflow.executeUpdateWithStart<typeof WORKFLOW.backfill & never, BackfillProgress, []>(
    UPDATE[command],
    { startWorkflowOperation: startWorkflowOperation as never },
  );
}

/** How much one pass takes on. */
const PASS = 100;

export function createBackfillRunActivities(deps: { db: Database; client: Client; competition: string }) {
  return {
    /** Starts the workflow of every job that is open: a no-op where it still runs. */
    async resumeBackfills(): Promise<number> {
      const jobs = await openBackfills(deps.db, PASS);
      for (const { id, subject } of jobs)
        await startBackfillWorkflow(deps.client, { competition: deps.competition, id, subject });
      return jobs.length;
    },
  };
}
export type BackfillRunActivities = ReturnType<typeof createBackfillRunActivities>;
