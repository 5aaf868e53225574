import type { BackfillRuns } from "../api/deps.ts";
import { ApiError, conflict } from "../api/problem.ts";
import type { Config } from "../config.ts";
import type { LazyClient } from "./lazy-client.ts";

/** What the API may do to backfill workflows. */
export function backfillRuns({ CRUNCH_ID: competition }: Config, temporal: LazyClient): BackfillRuns {
  return {
    start: async ({ id, subject }) => {
      const { startBackfillWorkflow } = await import("../activities/backfill-runs.ts");
      await temporal.use((client) => startBackfillWorkflow(client, { competition, id, subject }));
    },
    command: async ({ id, subject }, command) => {
      const { commandBackfillWorkflow } = await import("../activities/backfill-runs.ts");
      try {
        await temporal.use((client) => commandBackfillWorkflow(client, { competition, id, subject }, command));
      } catch (error) {
        const refused = await reasonOf(error);
        if (refused !== null) throw conflict(refused);
        throw new ApiError(
          503,
          "workflows-away",
          "the node's workflows do not answer: is the score role running? What was asked may still be done when they do",
        );
      }
    },
  };
}

/** What the workflow said when it refused; null: something else went wrong. */
async function reasonOf(error: unknown): Promise<string | null> {
  const { WorkflowUpdateFailedError } = await import("@temporalio/client");
  return error instanceof WorkflowUpdateFailedError ? (error.cause?.message ?? error.message) : null;
}
