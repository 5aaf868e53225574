import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process that cannot be confused with a later one of the same pid. */
export type Identity = { pid: number; started: string; command: string };
export type ProcessRow = { pid: number; ppid: number; pgid: number; command: string };

const LINUX = process.platform === "linux";

const readOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // the process ended, or is not ours to read
  }
};

const words = (nulSeparated: string) => nulSeparated.replaceAll("\0", " ").trim();

let bootId: string | undefined;
function thisBoot(): string {
  bootId ??= readOrEmpty("/proc/sys/kernel/random/boot_id").trim();
  return bootId;
}

/** Fields of /proc/<pid>/stat from the state on; the name before it may hold spaces and brackets. */
function statFields(pid: number): string[] | undefined {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function ps(...args: string[]): string {
  try {
    return execFileSync("ps", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return ""; // ps answers 1 when no such process is there
  }
}

/** Who runs under this pid now; undefined when nobody does (a zombie is nobody). */
export function identify(pid: number): Identity | undefined {
  if (!LINUX) {
    const line = ps("-o", "lstart=", "-o", "command=", "-p", String(pid)).trim();
    return line === "" ? undefined : { pid, started: line.slice(0, 24), command: line.slice(24).trim() };
  }
  const fields = statFields(pid);
  if (!fields || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, started: `${thisBoot()}/${fields[19]}`, command: words(readOrEmpty(`/proc/${pid}/cmdline`)) };
}

/** True while that very process lives. */
export const isAlive = (identity: Identity): boolean => identify(identity.pid)?.started === identity.started;

/** Every process that this user can see. */
export function listProcesses(): ProcessRow[] {
  if (LINUX)
    return readdirSync("/proc").flatMap((name) => {
      const fields = /^\d+$/.test(name) ? statFields(Number(name)) : undefined;
      if (!fields || fields[0] === "Z") return [];
      const command = words(readOrEmpty(`/proc/${name}/cmdline`));
      return [{ pid: Number(name), ppid: Number(fields[1]), pgid: Number(fields[2]), command }];
    });
  return ps("-axo", "pid=,ppid=,pgid=,command=")
    .split("\n")
    .flatMap((line) => {
      const [, pid, ppid, pgid, command] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return command === undefined ? [] : [{ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), command }];
    });
}

/** Pids below `root` in the process tree, `root` not included. */
export function descendants(root: number, rows: readonly ProcessRow[] = listProcesses()): number[] {
  const found: number[] = [];
  const queue = [root];
  for (let parent = queue.pop(); parent !== undefined; parent = queue.pop())
    for (const row of rows)
      if (row.ppid === parent && row.pid !== root && !found.includes(row.pid)) {
        found.push(row.pid);
        queue.push(row.pid);
      }
  return found;
}

/** Pids started with `NAME=value` in their environment. Linux only: elsewhere pid files have to do. */
export function startedWith(variable: string): number[] {
  if (!LINUX) return [];
  const isMarked = (pid: number) => readOrEmpty(`/proc/${pid}/environ`).split("\0").includes(variable);
  return listProcesses().flatMap(({ pid }) => (pid !== process.pid && isMarked(pid) ? [pid] : []));
}
