import { readdirSync, readFileSync } from "node:fs";

/** Parent of every process that can be seen. */
function parents(): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /^PPid:\s+(\d+)$/m.exec(readProc(Number(name), "status"))?.[1];
    if (parent !== undefined) found.set(Number(name), Number(parent));
  }
  return found;
}

/** The process and everything below it. */
export function treeOf(root: number): number[] {
  const tree = [root];
  const all = [...parents()];
  for (const pid of tree) tree.push(...all.filter(([, parent]) => parent === pid).map(([child]) => child));
  return tree;
}

/** The one child whose command line matches. */
export function childOf(parent: number, pattern: RegExp): number | undefined {
  return [...parents()].find(([pid, of]) => of === parent && pattern.test(readProc(pid, "cmdline")))?.[0];
}

/** CPU time of processes so far, all their threads, in ms; counted by the scheduler, not by the clock's ticks. */
export function cpuMs(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids)
    for (const thread of threadsOf(pid)) ns += Number(readProc(pid, `task/${thread}/schedstat`).split(" ")[0]);
  return ns / 1e6;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Memory of processes together, in MB. `pss` shares what several map among them. */
export function memoryMb(pids: readonly number[]): { rss: number; pss: number } {
  const sum = (field: string) =>
    pids.reduce((total, pid) => {
      const kb = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readProc(pid, "smaps_rollup"))?.[1];
      return total + Number(kb ?? 0) / 1024;
    }, 0);
  return { rss: sum("Rss"), pss: sum("Pss") };
}

/** Empty for a process that is gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
