import type { Client } from "@temporalio/client";
import type { Database } from "../db/database.ts";
import { waitingRescores } from "../db/rescore.ts";
import { rescoreWorkflowId, SIGNAL, taskQueue, WORKFLOW } from "../domain/ids.ts";
import { SEARCH } from "./start.ts";

/**
 * The row decides what is to be done, so a run of that id may always be started again. One that runs is told that somebody asked, so that it
 * looks at the row once more before it ends.
 */
export async function startRescoreWorkflow(client: Client, run: { competition: string; id: string }): Promise<void> {
  const { competition, id } = run;
  await client.workflow.signalWithStart(WORKFLOW.rescore, {
    taskQueue: taskQueue("score", competition),
    workflowId: rescoreWorkflowId(id),
    args: [{ id }],
    signal: SIGNAL.rescoreAsked,
    staticSummary: "scores of a range by the present scorer",
    typedSearchAttributes: [{ key: SEARCH.competition, value: competition }],
    workflowIdReusePolicy: "ALLOW_DUPLICATE",
  });
}

/** How much one pass takes on. */
const PASS = 100;

export function createRescoreRunActivities(deps: { db: Database; client: Client; competition: string }) {
  return {
    /** Starts the workflow of every job that has something to do: a no-op where it still runs. */
    async resumeRescores(): Promise<number> {
      const jobs = await waitingRescores(deps.db, PASS);
      for (const { id } of jobs) await startRescoreWorkflow(deps.client, { competition: deps.competition, id });
      return jobs.length;
    },
  };
}
export type RescoreRunActivities = ReturnType<typeof createRescoreRunActivities>;
