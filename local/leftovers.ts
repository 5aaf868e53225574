import { endProcess, killAll } from "./end-process.ts";
import { ownProcesses } from "./own-processes.ts";
import type { PidFiles } from "./pid-files.ts";
import { descendants, type Identity } from "./process-identity.ts";

const GRACE_MS = 3000;

/**
 * Ends what a supervisor that was killed has left: every recorded process except those in `adopt`, then whatever else
 * belongs to the folder. Processes that only reused a pid are not touched. Gives back what was ended.
 */
export async function endLeftovers(pidFiles: PidFiles, home: string, adopt: readonly Identity[]): Promise<string[]> {
  const recorded = [...pidFiles.living()];
  const kept = adopt.map(({ pid }) => pid);
  const leftovers = recorded.filter(([, { pid }]) => !kept.includes(pid));
  await Promise.all(leftovers.map(([, identity]) => endProcess(identity, Date.now() + GRACE_MS)));
  const spared = new Set([...kept, ...kept.flatMap((pid) => descendants(pid)), process.pid]);
  const rest = ownProcesses(home).filter(({ pid }) => !spared.has(pid));
  await killAll(rest);
  for (const [name] of leftovers) pidFiles.remove(name);
  return [...leftovers.map(([name]) => name), ...rest.map(({ pid }) => `process ${pid}`)];
}
