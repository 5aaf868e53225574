import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { ChainError } from "../chain/port.ts";
import { type Actor, chainAttemptOf, checkpointById, type IllegalTransition } from "../db/checkpoints.ts";
import type { Queryable } from "../db/database.ts";
import type { CheckpointPosition, Reason } from "../domain/checkpoint.ts";

/** The reason, with the run and the activity attempt that carries it out. */
export function asActor({ actor, cause, decision }: Reason): Actor {
  const { workflowExecution, attempt } = Context.current().info;
  const run = { runId: workflowExecution?.runId ?? null, activityAttempt: attempt };
  return { actor, cause, ...run, ...(decision ? { decision } : {}) };
}

/** Where the row stands. Throws UnknownCheckpoint. */
export async function positionOf(db: Queryable, id: string): Promise<CheckpointPosition> {
  const row = await checkpointById(db, id);
  if (!row) throw ApplicationFailure.nonRetryable(`there is no checkpoint ${id}`, "UnknownCheckpoint");
  const { phase, tx_hash, cause, emission_hash } = row;
  return {
    id,
    phase,
    attempt: await chainAttemptOf(db, id),
    hasEmission: emission_hash !== "",
    txHash: tx_hash,
    cause,
  };
}

/** An illegal step is a fact, not a hiccup: the run ends, and the next one begins from the row. */
export function failIllegal(error: unknown): never {
  if ((error as IllegalTransition).name !== "IllegalTransition") throw error;
  throw ApplicationFailure.nonRetryable((error as Error).message, "IllegalTransition");
}

const BLOCKING: readonly string[] = ["NO_FUNDS", "REFUSED", "WRONG_GENESIS", "KEY_MISMATCH"];

/** The cause where a person has to act; anything else is thrown on, and tried again: not before the other side wants it. */
export function blockedCause(error: unknown): string {
  if (!(error instanceof ChainError)) throw error;
  const { code, message, retryAfterMs } = error;
  if (BLOCKING.includes(code)) return `${code}: ${message}`;
  if (retryAfterMs === undefined) throw error;
  throw ApplicationFailure.create({ message, type: code, nextRetryDelay: retryAfterMs, cause: error });
}
