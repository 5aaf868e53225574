import type { PayoutStep } from "../activities/payout.ts";
import type { CheckpointPosition } from "../domain/checkpoint.ts";
import { inLanes } from "../domain/lanes.ts";
import { pollMs } from "../domain/polling.ts";
import { chain, move, NODE, type Run, signing } from "./checkpoint-steps.ts";

/** While nothing is in the way; else an hour: somebody has to act, or to claim. */
const LONGEST_POLL_MS = 15_000;
/** Batches signed and sent side by side: each has a marker of its own, so that none needs to wait for another. */
const LANES = 8;

/** Fixes the batches, and asks again where the chain refuses what the settings say. */
export async function freezing(run: Run, { id }: CheckpointPosition): Promise<CheckpointPosition> {
  if (run.decisions.take() !== null) run.idle = 0;
  const at = await chain.freezePayouts({ id });
  if (at.phase !== "FINAL") return at;
  await run.decisions.wait(pollMs(run.idle++), at.cause ?? "to fix the payouts");
  return at;
}

/** One pass over the batches that are not final; none left: paid. Polls ever more seldom while nothing changes. */
export async function payouts(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { id } = at;
  if (run.decisions.take() !== null) run.idle = 0; // a retry: this pass is one
  const { open, steps, cause, table } = await chain.observePayouts({ id });
  if (run.payouts !== "" && table !== run.payouts) run.idle = 0;
  run.payouts = table;
  const done = at.phase === "CLAIMABLE" ? "nobody is to be paid" : "every batch is final";
  if (open === 0) return move(at, "PAID", { ...NODE, cause: done });
  await inLanes(LANES, steps, (step) => payoutStep(id, step));
  const told = steps.length === 0 && cause === at.cause ? at : await chain.explain({ id, cause });
  const waitMs = cause === null ? pollMs(run.idle++, LONGEST_POLL_MS) : pollMs(run.idle++);
  await run.decisions.wait(waitMs, cause ?? "for finality");
  return told;
}

async function payoutStep(id: string, { part, n, next }: PayoutStep): Promise<void> {
  if (next === "sign") {
    const prepared = await signing().prepareAttempt({ id, part, n });
    if (prepared.kind === "blocked") await chain.explainBatch({ id, part, cause: prepared.cause });
    if (prepared.kind !== "signed") return;
  }
  await chain.broadcast({ id, part, n });
}
