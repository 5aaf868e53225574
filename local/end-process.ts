import { setTimeout as sleep } from "node:timers/promises";
import { descendants, type Identity, identify, isAlive, listProcesses } from "./process-identity.ts";

const POLL_MS = 50;

const isIdentity = (identity: Identity | undefined): identity is Identity => identity !== undefined;

/** Sends the signal to that very process; false when it is already gone. */
export function signal(identity: Identity, name: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Waits until every process is gone, at most until `deadline` (ms since the epoch). Gives back who is left. */
async function waitForEnd(identities: readonly Identity[], deadline: number): Promise<Identity[]> {
  for (;;) {
    const left = identities.filter(isAlive);
    if (left.length === 0 || Date.now() >= deadline) return left;
    await sleep(Math.min(POLL_MS, Math.max(1, deadline - Date.now())));
  }
}

/** The process, its descendants and its process group: all that must be gone when it has ended. */
export function family(leader: number): Identity[] {
  const rows = listProcesses();
  const group = rows.filter((row) => row.pgid === leader).map((row) => row.pid);
  return [...new Set([leader, ...group, ...descendants(leader, rows)])].map(identify).filter(isIdentity);
}

/**
 * Asks a process to end and, past the deadline, kills it; then kills what it left behind.
 * Only the leader is asked: it knows in which order its own children should go.
 */
export async function endProcess(leader: Identity, deadline: number, ask: NodeJS.Signals = "SIGTERM"): Promise<void> {
  const before = isAlive(leader) ? family(leader.pid) : [];
  if (signal(leader, ask)) await waitForEnd([leader], deadline);
  // Children that appeared meanwhile are still found through the leader, or through its group when it is gone.
  await killAll([...before, ...(isAlive(leader) ? family(leader.pid) : [])]);
}

/** Kills every process given, and waits until they are gone (at most 2 s: a process in the kernel may linger). */
export async function killAll(identities: readonly Identity[]): Promise<void> {
  for (const identity of identities) signal(identity, "SIGKILL");
  await waitForEnd(identities, Date.now() + 2000);
}
