import type { Observation } from "../activities/submission.ts";
import { type CheckpointPosition, isSubmitted, isTrouble } from "../domain/checkpoint.ts";
import { pollMs } from "../domain/polling.ts";
import { chain, move, moved, NODE, type Run, signing } from "./checkpoint-steps.ts";

/** Signatures per go: then a person looks. */
const MAX_ATTEMPTS = 10;
/** Bytes that may still land go out again every 2 s for as long as a blockhash lives; a nonce lives on, and is then asked ever more seldom. */
const EAGER_LOOKS = 45;

/** Looks, acts on what it saw, and waits until it is worth looking again; final markers or a matter for a person end the wait. */
export async function submission(run: Run, from: CheckpointPosition): Promise<CheckpointPosition> {
  const seen = await chain.observe({ id: from.id, part: 0 });
  const at = moved(run, await step(run, from, seen));
  if (isSubmitted(at.phase) || isTrouble(at.phase)) return at;
  const idle = seen.kind === "live" ? Math.max(0, run.idle - EAGER_LOOKS) : run.idle;
  run.idle++;
  if (await run.decisions.wait(pollMs(idle), waitsFor(at, seen))) run.idle = 0; // somebody asks: the looks begin anew
  return at;
}

async function step(run: Run, from: CheckpointPosition, seen: Observation): Promise<CheckpointPosition> {
  if (seen.kind === "unsure") return waiting(from, seen.cause);
  if (seen.kind === "dead") return next(run, from, seen.n + 1, seen.reason);
  if (seen.kind === "absent") return next(run, from, seen.n + 1, "no attempt is left on record");
  return accept(await adopted(from, seen), seen);
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

/** What was in the way is over. After a retry by a person the attempt from before may still be under way: it is this go's attempt then. */
async function adopted(at: CheckpointPosition, seen: Observation): Promise<CheckpointPosition> {
  if (seen.kind !== "live" && seen.kind !== "seen") return at;
  if (at.phase === "PLANNED") return move(at, "SIGNED", { ...NODE, cause: `attempt ${seen.n} may still land` });
  return at.cause === null ? at : chain.explain({ id: at.id, cause: null });
}

/** No attempt lives: the next one is signed and sent. */
async function next(run: Run, from: CheckpointPosition, n: number, cause: string): Promise<CheckpointPosition> {
  const { id } = from;
  if (run.signed >= MAX_ATTEMPTS)
    return move(from, "FAILED", { ...NODE, cause: `${run.signed} attempts died, the last one: ${cause}` });
  const at = from.phase === "PLANNED" ? from : moved(run, await giveUp(from, cause));
  const prepared = await signing().prepareAttempt({ id, part: 0, n });
  if (prepared.kind === "wait") return waiting(at, prepared.cause);
  if (prepared.kind === "blocked") return move(at, "BLOCKED", { ...NODE, cause: prepared.cause });
  run.signed++;
  return (await chain.broadcast({ id, part: 0, n })).position;
}

async function giveUp(at: CheckpointPosition, cause: string): Promise<CheckpointPosition> {
  await chain.settle({ id: at.id, part: 0, final: false, signature: null });
  return move(at, "PLANNED", { ...NODE, cause });
}

/** Nothing may be done now, and nobody has to act: the cause is shown until the next step. */
const waiting = async (at: CheckpointPosition, cause: string): Promise<CheckpointPosition> =>
  at.cause === cause ? at : chain.explain({ id: at.id, cause });

function waitsFor({ phase }: CheckpointPosition, seen: Observation): string {
  if (seen.kind === "unsure") return "until two endpoints say the same";
  if (phase === "SEEN") return "for finality";
  return phase === "PLANNED" ? "to look again" : "for the cluster to see it";
}
