import type { CheckpointPosition } from "../domain/checkpoint.ts";
import { chain, move, NODE, type Run, rows, sealedAs } from "./checkpoint-steps.ts";

export async function approval(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  if (at.phase === "SEALED") return move(at, "AWAITING_APPROVAL", { ...NODE, cause: "sealed, waits for approval" });
  if (run.approvesItself)
    return chain.freezePlan({ id: at.id, reason: { ...NODE, cause: "approved by itself: NETWORK is LOCAL" } });
  const { kind, reason } = await run.decisions.next();
  return kind === "void" ? move(at, "VOID", reason) : chain.freezePlan({ id: at.id, reason });
}

/** BLOCKED, CONFLICT and FAILED wait for as long as it takes. */
export async function person(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { kind, reason } = await run.decisions.next();
  if (kind === "void") return move(at, "VOID", reason);
  if (at.hasEmission) return move(at, "PLANNED", reason);
  return sealedAs(run, await rows.resealPeriod({ period: run.period, reason }));
}
