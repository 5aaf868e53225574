import type { CheckpointPosition } from "../domain/checkpoint.ts";
import { chain, move, NODE, type Run, signing } from "./checkpoint-steps.ts";

const POLL = "2s";
const BLOCKED_PAYOUT_POLL = "1 minute";

/** One pass over the batches that are not final; none left: paid. */
export async function payouts(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { id } = at;
  run.decisions.take(); // a retry: this pass is one
  const open = await chain.openPayouts({ id });
  const done = at.phase === "CLAIMABLE" ? "nobody is to be paid" : "every batch is final";
  if (open.length === 0) return move(at, "PAID", { ...NODE, cause: done });
  let trouble: string | null = null;
  for (const part of open) trouble = (await payoutStep(id, part)) ?? trouble;
  const after = await chain.explain({ id, cause: trouble });
  await run.decisions.wait(trouble === null ? POLL : BLOCKED_PAYOUT_POLL);
  return after;
}

/** The reason why this batch does not go on, or null. */
async function payoutStep(id: string, part: number): Promise<string | null> {
  const seen = await chain.observe({ id, part });
  if (seen.kind === "final") await chain.settle({ id, part, final: true, signature: seen.signature });
  if (seen.kind === "live") await chain.broadcast({ id, part, n: seen.n });
  if (seen.kind === "blocked") return seen.cause;
  if (seen.kind !== "absent" && seen.kind !== "dead") return null;
  if (seen.kind === "dead") await chain.settle({ id, part, final: false, signature: null });
  const prepared = await signing().prepareAttempt({ id, part, n: seen.n + 1 });
  if (prepared.kind === "signed") await chain.broadcast({ id, part, n: prepared.n });
  return prepared.kind === "blocked" ? prepared.cause : null;
}
