import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/test-fleet.ts";
import { createCgroupTree, hierarchies } from "./cgroup.ts";
import { startHostProcess } from "./host-process.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { createModelLog } from "./log-drain.ts";
import { createWatchdog, findResourceWatch, type ResourceWatch } from "./resource-watch.ts";

const LIMITS = { ...DEFAULT_LIMITS, memoryMiB: 96 };
/** Below the limit alone, above it together; what they share counts once. */
const TWO =
  "import os, time; os.fork(); held = bytearray(70 << 20); held[::4096] = b'1' * len(held[::4096]); time.sleep(60)";
const SHARED =
  "import os, time; held = bytearray(70 << 20); held[::4096] = b'1' * len(held[::4096]); os.fork(); time.sleep(60)";
const ONE = "held = bytearray(200 << 20); held[::4096] = b'1' * len(held[::4096])";
const running: { kill(): void; exited: Promise<unknown> }[] = [];
afterAll(async () => {
  for (const each of running) each.kill();
  await Promise.all(running.map(({ exited }) => exited));
});

const ourGroups = () =>
  hierarchies(readFileSync("/proc/self/cgroup", "utf8"), readFileSync("/proc/self/mountinfo", "utf8")).flatMap(
    ({ folder }) =>
      readdirSync(folder)
        .filter((name) => name.startsWith(`almanac-${process.pid}-`))
        .flatMap((name) => readdirSync(`${folder}/${name}`).filter((entry) => entry.startsWith("model-"))),
  );

/** Runs Python under a watch; `ends` has what was said of its end. */
function watched(watch: ResourceWatch, script: string): { ends: string[]; exited: Promise<unknown> } {
  const ends: string[] = [];
  const command = watch.holdsBack ? ["sh", "-c", 'read -r _ <&3 && exec "$@"', "sh"] : [];
  const [first = "", ...args] = [...command, "/usr/bin/env", "python3", "-c", script];
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin" };
  const own = startHostProcess({ command: first, args, env, group: true, watch }, createModelLog(), {
    frame: () => true,
    oversize: () => undefined,
    end: (why) => {
      ends.push(why);
      own.kill();
    },
  });
  running.push(own);
  return { ends, exited: own.exited };
}

describe.skipIf(process.platform !== "linux").each(["cgroup", "watchdog"] as const)("memory by %s", (kind) => {
  async function watch(skip: (why: string) => void): Promise<ResourceWatch> {
    if (kind === "watchdog") return createWatchdog(LIMITS);
    const found = await findResourceWatch(LIMITS);
    if (found.watch.memory !== "cgroup") skip(`no control groups: ${found.tried.join("; ")}`);
    return found.watch;
  }

  test("processes together above the limit are ended with a reason", async ({ skip }) => {
    const { ends, exited } = watched(await watch(skip), TWO);
    await until(
      () => ends,
      (all) => all.length > 0,
    );
    expect(ends[0]).toBe("used more than 96 MiB of memory");
    await exited;
  });

  test("one process is, too, and nothing of it is left", async ({ skip }) => {
    const { ends, exited } = watched(await watch(skip), `${ONE}; import time; time.sleep(60)`);
    await until(
      () => ends,
      (all) => all.length > 0,
    );
    expect(ends[0]).toBe("used more than 96 MiB of memory");
    await exited;
    if (kind === "cgroup") expect(ourGroups()).toEqual([]);
  });

  test("memory that processes share counts once", async ({ skip }) => {
    const { ends } = watched(await watch(skip), SHARED);
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    expect(ends).toEqual([]);
  });

  test("an end of another kind keeps its own reason", async ({ skip }) => {
    const { ends, exited } = watched(await watch(skip), "import os; os._exit(7)");
    await exited;
    expect(ends[0]).toBe("exited with 7");
  });
});

test("groups that a killed runner left are removed by the next", async ({ skip }) => {
  const tree = (() => {
    try {
      return createCgroupTree(LIMITS);
    } catch (error) {
      return skip(`no control groups: ${(error as Error).message}`);
    }
  })();
  const group = tree.create();
  const module = new URL("./cgroup.ts", import.meta.url).href;
  const script = `const { createCgroupTree } = await import(${JSON.stringify(module)});
    createCgroupTree(${JSON.stringify(LIMITS)}).create(); process.kill(process.pid, "SIGKILL");`;
  const killed = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
  await new Promise((resolve) => killed.once("exit", resolve));
  const left = () =>
    hierarchies(readFileSync("/proc/self/cgroup", "utf8"), readFileSync("/proc/self/mountinfo", "utf8")).flatMap(
      ({ folder }) => readdirSync(folder).filter((name) => name.startsWith(`almanac-${killed.pid}-`)),
    );
  expect(left().length).toBeGreaterThan(0);
  createCgroupTree(LIMITS);
  expect(left()).toEqual([]);
  expect(ourGroups().length, "those of the living stay").toBeGreaterThan(0);
  await group.remove();
});
