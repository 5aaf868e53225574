import type { Client } from "@temporalio/client";
import type { CheckpointRuns } from "../api/deps.ts";
import { ApiError, KEY_REUSED, NOT_OPEN } from "../api/problem.ts";
import type { Config } from "../config.ts";
import type { DecisionResult } from "../domain/decision.ts";
import { checkpointWorkflowId, UPDATE } from "../domain/ids.ts";
import type { LazyClient } from "./lazy-client.ts";

/** How the API decides about checkpoints: by updates of their workflows. */
export const checkpointRuns = (
  { CRUNCH_ID: competition, TEMPORAL_CHECKPOINT_NAMESPACE: namespace }: Config,
  temporal: LazyClient,
): CheckpointRuns => ({
  decide: async ({ id, endMs }, action, input, updateId) => {
    const { Client } = await import("@temporalio/client");
    const update = (client: Client): Promise<DecisionResult> =>
      new Client({ connection: client.connection, namespace }).workflow
        .getHandle(checkpointWorkflowId(competition, endMs))
        .executeUpdate<DecisionResult, [typeof input]>(UPDATE[action], { args: [input], updateId });
    return temporal.use(update).catch((error: unknown) => refused(id, error));
  },
});

/** It may not have heard of a step that its row has already. */
const BEHIND: readonly string[] = ["NotSealed", "NotOpen"];
const FORBIDDEN: readonly string[] = ["Unsigned", "NotApprover", "BadSignature", "Expired"];

/** The workflow's own words where it refused; 503 where it did not answer, and the decision may still be carried out. */
async function refused(id: string, error: unknown): Promise<never> {
  const { WorkflowUpdateFailedError, WorkflowNotFoundError } = await import("@temporalio/client");
  const { ApplicationFailure } = await import("@temporalio/common");
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (cause instanceof ApplicationFailure) throw apiError(cause.type ?? "", cause.message);
  const why =
    error instanceof WorkflowNotFoundError
      ? `no workflow of ${id} runs now; where it is unfinished, the node starts it within two minutes`
      : `the workflow of ${id} does not answer: is the checkpoint role running? It may still be carried out`;
  throw new ApiError(
    503,
    "workflows-away",
    `${why}. Ask again with the same Idempotency-Key: the answer is that of the first time`,
  );
}

function apiError(type: string, message: string): ApiError {
  if (FORBIDDEN.includes(type)) return new ApiError(403, "signature-wanted", message);
  if (type === "KeyReused") return new ApiError(422, KEY_REUSED, message);
  if (type === "BadDecision") return new ApiError(422, "invalid", message);
  return new ApiError(409, BEHIND.includes(type) ? NOT_OPEN : "conflict", message);
}
