import { condition } from "@temporalio/workflow";
import type { Observation } from "../activities/submission.ts";
import { type CheckpointPosition, isSubmitted, isTrouble } from "../domain/checkpoint.ts";
import { chain, move, moved, NODE, type Run, signing } from "./checkpoint-steps.ts";

const POLL = "2s";
/** Signatures per go: then a person looks. */
const MAX_ATTEMPTS = 10;

/** Looks, then acts on what it saw, until the markers are final or a person is needed. */
export async function submission(run: Run, from: CheckpointPosition): Promise<CheckpointPosition> {
  let at = from;
  for (let signed = 0; !isSubmitted(at.phase) && !isTrouble(at.phase); ) {
    const seen = await chain.observe({ id: at.id, part: 0 });
    if (seen.kind === "absent" || seen.kind === "dead") {
      if (signed === MAX_ATTEMPTS)
        return move(at, "FAILED", { ...NODE, cause: `${signed} attempts died, the last one: ${lastWords(seen)}` });
      if (at.phase !== "PLANNED") at = moved(run, await giveUp(at, lastWords(seen)));
      at = moved(run, await attempt(at, seen.n + 1));
      signed++;
    } else {
      at = moved(run, await accept(at, seen));
    }
    if (!isSubmitted(at.phase) && !isTrouble(at.phase)) await condition(() => false, POLL);
  }
  return at;
}

/** What is seen of a living attempt, written down; unknown bytes that may still land are sent again. */
async function accept(at: CheckpointPosition, seen: Observation): Promise<CheckpointPosition> {
  const { id } = at;
  if (seen.kind === "blocked") return move(at, "BLOCKED", { ...NODE, cause: seen.cause });
  if (seen.kind === "conflict")
    return move(at, "CONFLICT", { ...NODE, cause: "another content of this checkpoint is final on chain" });
  if (seen.kind === "seen")
    return at.phase === "SEEN" ? at : move(at, "SEEN", { ...NODE, cause: "the cluster has it" }, seen.signature);
  if (seen.kind === "final") {
    await chain.settle({ id, part: 0, final: true, signature: seen.signature });
    return move(at, "FINAL", { ...NODE, cause: "both markers are final" }, seen.signature);
  }
  if (at.phase === "SEEN") await move(at, "SENT", { ...NODE, cause: "a fork dropped it: the same bytes again" });
  return (await chain.broadcast({ id, part: 0, n: seen.n })).position;
}

async function attempt(at: CheckpointPosition, n: number): Promise<CheckpointPosition> {
  const prepared = await signing().prepareAttempt({ id: at.id, part: 0, n });
  if (prepared.kind === "wait") return at;
  if (prepared.kind === "blocked") return move(at, "BLOCKED", { ...NODE, cause: prepared.cause });
  return (await chain.broadcast({ id: at.id, part: 0, n })).position;
}

async function giveUp(at: CheckpointPosition, cause: string): Promise<CheckpointPosition> {
  await chain.settle({ id: at.id, part: 0, final: false, signature: null });
  return move(at, "PLANNED", { ...NODE, cause });
}

const lastWords = (seen: Observation): string => (seen.kind === "dead" ? seen.reason : "no attempt is left on record");
