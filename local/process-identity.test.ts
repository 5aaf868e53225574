import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endProcess, signal } from "./end-process.ts";
import { acquireLock, LockedError } from "./lock.ts";
import { createPidFiles } from "./pid-files.ts";
import { descendants, identify, isAlive, startedWith } from "./process-identity.ts";

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "almanac-identity-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

async function sleeper(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return identify(child.pid!)!;
}

test("a process is itself, and nobody once it has ended", async () => {
  const identity = await sleeper();
  expect(identity.command).toContain("setInterval");
  expect(isAlive(identity)).toBe(true);
  expect(descendants(process.pid)).toContain(identity.pid);
  await endProcess(identity, Date.now() + 5000);
  expect(isAlive(identity)).toBe(false);
});

test("a process that only has the pid of another one is not taken for it, and never signalled", async () => {
  const identity = await sleeper();
  const reused = { ...identity, started: "earlier" };
  expect(isAlive(reused)).toBe(false);
  expect(signal(reused, "SIGKILL")).toBe(false);
  await endProcess(reused, Date.now() + 100);
  expect(isAlive(identity)).toBe(true);
});

test.runIf(process.platform === "linux")("processes are found by a variable that they were started with", async () => {
  const identity = await sleeper({ ALMANAC_TEST_MARK: dir });
  expect(startedWith(`ALMANAC_TEST_MARK=${dir}`)).toEqual([identity.pid]);
  expect(startedWith(`ALMANAC_TEST_MARK=${dir}/other`)).toEqual([]);
});

test("pid files give back the living, drop the dead and the torn", async () => {
  const files = createPidFiles(dir);
  const living = await sleeper();
  files.write("living", living);
  files.write("reused", { ...living, started: "earlier" });
  writeFileSync(join(dir, "torn.json"), '{"pid": 1');
  expect([...files.living()]).toEqual([["living", living]]);
  expect(readdirSync(dir)).toEqual(["living.json"]);
});

test("a lock is held by one process; one whose holder died is replaced", () => {
  const path = join(dir, "supervisor.lock");
  const lock = acquireLock(path);
  expect(() => acquireLock(path)).toThrow(LockedError);
  expect(() => acquireLock(path)).toThrow(`Almanac already runs from this folder (process ${process.pid})`);
  lock.release();
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: "earlier", command: "node" }));
  const again = acquireLock(path);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
    pid: process.pid,
    started: identify(process.pid)!.started,
  });
  again.release();
  expect(readdirSync(dir)).toEqual([]);
});
