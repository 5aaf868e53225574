import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type CgroupTree, createCgroupTree } from "./cgroup.ts";
import type { ModelLimits } from "./limits.ts";

const LOOK_MS = 1_000;

/** One run of a model under watch. */
export interface WatchedRun {
  /** Watches the process and all that it starts. Resolves when the bounds are in place: only then may the program begin. */
  enter(pid: number): Promise<void>;
  /** Why it ended, if it was for a bound. Asked after its end. */
  verdict(): string | undefined;
  /** Its processes are gone, or going. */
  end(): Promise<void>;
}
/** Bounds what models use from outside of them, by what was found to work here. */
export interface ResourceWatch {
  /** `cgroup`: by the kernel, at once. `watchdog`: looked at each second. `none`: each process only by its own limits. */
  readonly memory: "cgroup" | "watchdog" | "none";
  /** `rlimit`: per account. */
  readonly processes: "cgroup" | "rlimit";
  /** `cgroup`: one model weighs as much as another, however many processes it has. */
  readonly cpu: "cgroup" | "nice";
  /** Whether the program has to be held back until it has entered. */
  readonly holdsBack: boolean;
  /** Begins a run; `over` is told when it has to be ended. */
  begin(over: (why: string) => void): WatchedRun;
}

/** The best that works here, found by trying, and why what is better does not. */
export async function findResourceWatch(limits: ModelLimits): Promise<{ watch: ResourceWatch; tried: string[] }> {
  try {
    const tree = createCgroupTree(limits);
    await proveCgroups(tree);
    return { watch: byCgroup(tree, limits), tried: [] };
  } catch (error) {
    const tried = [`memory by cgroup: ${(error as Error).message}`];
    if (existsSync(`/proc/self/task/${process.pid}/children`)) {
      return { watch: createWatchdog(limits), tried };
    }
    return { watch: unwatched, tried: [...tried, "memory by watchdog: no /proc with lists of children"] };
  }
}

const tooMuch = ({ memoryMiB }: ModelLimits): string => `used more than ${memoryMiB} MiB of memory`;

const unwatched: ResourceWatch = {
  memory: "none",
  processes: "rlimit",
  cpu: "nice",
  holdsBack: false,
  begin: () => ({ enter: async () => undefined, verdict: () => undefined, end: async () => undefined }),
};

function byCgroup(tree: CgroupTree, limits: ModelLimits): ResourceWatch {
  return {
    memory: "cgroup",
    processes: tree.processes ? "cgroup" : "rlimit",
    cpu: tree.cpu ? "cgroup" : "nice",
    holdsBack: true,
    begin(over) {
      const group = tree.create();
      // The kernel ends one process, which need not be the host.
      const look = everySecond(() => group.ranOutOfMemory() && over(tooMuch(limits)));
      return {
        enter: async (pid) => {
          await group.add(pid);
          look.start();
        },
        verdict: () => (group.ranOutOfMemory() ? tooMuch(limits) : undefined),
        end: async () => {
          look.stop();
          await group.remove();
        },
      };
    },
  };
}

/** A process that does nothing is put into a group, and must be found there. */
async function proveCgroups(tree: CgroupTree): Promise<void> {
  const group = tree.create();
  const idle = spawn("sh", ["-c", "read -r _"], { stdio: ["pipe", "ignore", "ignore"], cwd: "/" });
  const over = once(idle, "exit");
  try {
    if (idle.pid === undefined) throw new Error("sh cannot be started");
    await group.add(idle.pid);
    if (!/\/almanac-[^\n]*\/model-/.test(readFileSync(`/proc/${idle.pid}/cgroup`, "utf8")))
      throw new Error("a process did not go where it was put");
  } finally {
    idle.kill("SIGKILL");
    await over;
    await group.remove();
  }
}

/** Looks each second at what a box's processes use; needs no rights. */
export function createWatchdog(limits: ModelLimits): ResourceWatch {
  const limitKiB = limits.memoryMiB * 1024;
  return {
    ...unwatched,
    memory: "watchdog",
    begin(over) {
      let why: string | undefined;
      let root = 0;
      const look = everySecond(() => {
        if (!usesMoreThan(limitKiB, root)) return;
        why = tooMuch(limits);
        over(why);
      });
      return {
        enter: async (pid) => {
          root = pid;
          look.start();
        },
        verdict: () => why,
        end: async () => look.stop(),
      };
    },
  };
}

function everySecond(action: () => unknown): { start(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  return {
    start() {
      if (!stopped) timer = setInterval(action, LOOK_MS).unref();
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

// What processes share counts once for each in the cheap figure, so the dear one decides when that is too high.
function usesMoreThan(limitKiB: number, pid: number): boolean {
  const all = [...family(pid)];
  if (all.reduce((sum, each) => sum + resident(each), 0) <= limitKiB) return false;
  return all.reduce((sum, each) => sum + share(each), 0) > limitKiB;
}

/** A process and all that it started, directly or not. */
function* family(pid: number): Generator<number> {
  yield pid;
  for (const thread of attempt(() => readdirSync(`/proc/${pid}/task`)) ?? []) {
    for (const child of read(`/proc/${pid}/task/${thread}/children`).split(" "))
      if (child !== "") yield* family(Number(child));
  }
}

const resident = (pid: number): number => kibibytes(read(`/proc/${pid}/status`), "VmRSS", "VmSwap");
const share = (pid: number): number => kibibytes(read(`/proc/${pid}/smaps_rollup`), "Pss", "SwapPss") || resident(pid);
const kibibytes = (text: string, ...names: string[]): number =>
  names.reduce((sum, name) => sum + Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0), 0);

const read = (path: string): string => attempt(() => readFileSync(path, "utf8")) ?? "";
/** Processes come and go while we look. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
