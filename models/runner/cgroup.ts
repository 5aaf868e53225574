import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmdirSync, writeFileSync } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ModelLimits, mebibytes } from "./limits.ts";

const REMOVE_TRIES = 40;
const REMOVE_PAUSE_MS = 50;
/** Processes of the box itself beside those of the model. */
const BOX_PROCESSES = 8;

/** The kernel's own bounds for one run of a model. */
export interface ModelGroup {
  /** Puts a process in; what it starts from then on is in, too. */
  add(pid: number): Promise<void>;
  /** Whether the kernel ended a process of it because its memory was used up. */
  ranOutOfMemory(): boolean;
  /** Takes it away as soon as its last process is gone; gives up after two seconds. */
  remove(): Promise<void>;
}
/** A folder of groups that belongs to this runner alone. */
export interface CgroupTree {
  readonly processes: boolean;
  readonly cpu: boolean;
  create(): ModelGroup;
}

type Controller = "memory" | "pids" | "cpu";
/** Folders of our own group, one for each hierarchy that has something for us; version 2 has one for all. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly folder: string;
  readonly controllers: readonly Controller[];
}

let trees = 0;

/** @throws Error saying why no groups can be made here */
export function createCgroupTree(limits: ModelLimits): CgroupTree {
  const all = hierarchies(readFileSync("/proc/self/cgroup", "utf8"), readFileSync("/proc/self/mountinfo", "utf8"));
  const name = `almanac-${process.pid}-${startTime("self")}-${++trees}`;
  for (const { folder } of all) removeLeftovers(folder);
  const found = usable(all, name);
  if (!found.some(({ controllers }) => controllers.includes("memory"))) throw new Error("no memory controller");
  let live = 0;
  let count = 0;
  const drop = () => {
    for (const { folder } of found) quietly(() => rmdirSync(join(folder, name)));
  };
  drop();
  const has = (controller: Controller) => found.some(({ controllers }) => controllers.includes(controller));
  return {
    processes: has("pids"),
    cpu: has("cpu"),
    create() {
      if (live++ === 0) for (const each of found) prepare(each, name);
      const own = `model-${++count}`;
      const folders = found.map((each) => ({ ...each, folder: join(each.folder, name, own) }));
      for (const each of folders) limit(each, limits);
      const paths = folders.map(({ folder }) => folder);
      const memory = folders.find(({ controllers }) => controllers.includes("memory")) as Hierarchy;
      const oomKills = createOomCounter(memory);
      let [killed, gone] = [false, false];
      return {
        add: async (pid) => {
          for (const path of paths) await writeFile(join(path, "cgroup.procs"), String(pid));
        },
        ranOutOfMemory: () => {
          killed ||= !gone && oomKills.count() > 0;
          return killed;
        },
        remove: async () => {
          try {
            killed ||= !gone && oomKills.count() > 0;
          } finally {
            gone = true;
            oomKills.close();
          }
          for (const path of paths) await removeWhenEmpty(path);
          if (--live === 0) drop();
        },
      };
    },
  };
}

const scratch = Buffer.allocUnsafe(4096);

/** How many processes of a group the kernel ended for want of memory. Asked each second: the file stays open, to look up no path. */
function createOomCounter({ version, folder }: Hierarchy): { count(): number; close(): void } {
  let file: number | undefined;
  return {
    count() {
      file ??= openSync(join(folder, version === 1 ? "memory.oom_control" : "memory.events"), "r");
      const text = scratch.toString("latin1", 0, readSync(file, scratch, 0, scratch.length, 0));
      return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** Where groups of ours may be made, from /proc/self/cgroup and /proc/self/mountinfo. */
export function hierarchies(memberships: string, mounts: string): Hierarchy[] {
  const mounted = mounts.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, point] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    return root && point ? [{ root, point, type, options: options.split(",") }] : [];
  });
  return memberships.split("\n").flatMap((line): Hierarchy[] => {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) return [];
    const version = names === "" ? 2 : 1;
    const wanted = (["memory", "pids", "cpu"] as const).filter((c) => version === 2 || names.split(",").includes(c));
    const mount = mounted.find(({ type, options }) =>
      version === 2 ? type === "cgroup2" : type === "cgroup" && wanted.some((c) => options.includes(c)),
    );
    if (!mount || wanted.length === 0) return [];
    const below = relative(mount.root, path);
    return below.startsWith("..") || path.startsWith("/..")
      ? []
      : [{ version, folder: join(mount.point, below), controllers: wanted }];
  });
}

/** Those in which a folder can be made, with the controllers that it then has. */
function usable(all: readonly Hierarchy[], name: string): Hierarchy[] {
  const problems: string[] = [];
  const found = all.flatMap((each) => {
    try {
      const own = each.version === 1 ? each : { ...each, controllers: delegated(each) };
      if (own.controllers.length === 0) throw new Error(`${each.folder} hands on no controllers to groups below it`);
      prepare(own, name);
      return [own];
    } catch (error) {
      problems.push((error as Error).message);
      return [];
    }
  });
  if (found.length === 0) throw new Error(problems[0] ?? "no control groups are mounted");
  return found;
}

/** Version 2: the controllers that our group hands on, or does when asked. */
function delegated({ folder }: Hierarchy): Controller[] {
  const there = readFileSync(join(folder, "cgroup.controllers"), "utf8").split(/\s/);
  const wanted = (["memory", "pids", "cpu"] as const).filter((controller) => there.includes(controller));
  return wanted.filter((controller) => {
    const control = join(folder, "cgroup.subtree_control");
    if (!readFileSync(control, "utf8").split(/\s/).includes(controller))
      quietly(() => writeFileSync(control, `+${controller}`)); // refused where our group has processes of its own
    return readFileSync(control, "utf8").split(/\s/).includes(controller);
  });
}

/** The runner's folder. All models together weigh as much as one process on each core. */
function prepare({ version, folder, controllers }: Hierarchy, name: string): void {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  const cores = availableParallelism();
  if (version === 2) writeFileSync(join(own, "cgroup.subtree_control"), controllers.map((c) => `+${c}`).join(" "));
  if (!controllers.includes("cpu")) return;
  if (version === 2) writeFileSync(join(own, "cpu.weight"), String(Math.min(100 * cores, 10_000)));
  else writeFileSync(join(own, "cpu.shares"), String(1024 * cores));
}

function limit({ version, folder, controllers }: Hierarchy, limits: ModelLimits): void {
  mkdirSync(folder);
  const set = (file: string, value: string) => writeFileSync(join(folder, file), value);
  const bytes = mebibytes(limits.memoryMiB);
  if (controllers.includes("pids")) set("pids.max", String(limits.processes + BOX_PROCESSES));
  if (!controllers.includes("memory")) return;
  set(version === 1 ? "memory.limit_in_bytes" : "memory.max", bytes);
  // Kernels that do not count swap lack these.
  if (version === 1) quietly(() => set("memory.memsw.limit_in_bytes", bytes));
  else quietly(() => set("memory.swap.max", "0"));
  if (version === 2) quietly(() => set("memory.oom.group", "1"));
}

async function removeWhenEmpty(path: string): Promise<void> {
  for (let tries = 0; tries < REMOVE_TRIES; tries++) {
    const { code } = (await rmdir(path).catch((error: NodeJS.ErrnoException) => error)) ?? { code: undefined };
    if (code !== "EBUSY") return;
    await sleep(REMOVE_PAUSE_MS);
  }
}

// A runner that was killed left its groups; its models died with it. Groups with processes in them cannot be removed.
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, pid, since] = /^almanac-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
    if (pid === undefined || startTime(pid) === since) continue;
    const left = join(folder, name);
    for (const entry of readdirSync(left, { withFileTypes: true }))
      if (entry.isDirectory()) quietly(() => rmdirSync(join(left, entry.name)));
    quietly(() => rmdirSync(left));
  }
}

/** When a process began, in ticks since the machine did; undefined when there is none. */
function startTime(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
  } catch {
    return undefined;
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // what it is about is said by what is in force afterwards
  }
}
