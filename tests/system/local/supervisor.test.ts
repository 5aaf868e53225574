import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { listProcesses } from "../../../local/process-identity.ts";

const PROGRAM = join(import.meta.dirname, "supervise.ts");
const within = { timeout: 20_000, interval: 100 };
const SERVICES = [
  { name: "database", stage: "database", behaviour: "polite" },
  { name: "role", stage: "roles", behaviour: "polite" },
  { name: "orchestrator", stage: "roles", behaviour: "mother" },
];

let dir: string;
let title: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "almanac-supervisor-"));
  title = `title-${dir.slice(-6)}`;
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  for (const { pid } of family()) process.kill(pid, "SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

/** Every fake role of this test, whoever its parent is now. */
const family = () => listProcesses().filter(({ command }) => command.includes("fake-role") && command.endsWith(title));
const withBehaviour = (behaviour: string) => family().filter(({ command }) => command.includes(` ${behaviour} `));

function supervise(services: readonly object[] = SERVICES) {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify({ dir, title, services })], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  const run = {
    child,
    output: "",
    ended: new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code))),
  };
  child.stdout.on("data", (chunk: Buffer) => {
    run.output += chunk.toString();
  });
  return run;
}
const untilRunning = (count: number) => vi.waitFor(() => expect(family().length).toBe(count), within);

test("a role that dies is started again, and what it left behind is ended", async () => {
  supervise();
  await untilRunning(4);
  const mother = withBehaviour("mother")[0]!;
  const orphan = withBehaviour("deaf")[0]!;
  process.kill(mother.pid, "SIGKILL");
  await vi.waitFor(() => expect(withBehaviour("mother")[0]?.pid ?? mother.pid).not.toBe(mother.pid), within);
  expect(family().map(({ pid }) => pid)).not.toContain(orphan.pid);
  await untilRunning(4);
});

test("one SIGTERM stops everything within 10 s, deaf roles and detached children included", async () => {
  const run = supervise([...SERVICES, { name: "deaf", stage: "roles", behaviour: "deaf" }]);
  await untilRunning(5);
  const begun = Date.now();
  run.child.kill("SIGTERM");
  expect(await run.ended).toBe(0);
  expect(Date.now() - begun).toBeLessThan(10_000);
  expect(family()).toEqual([]);
});

test("a runner outlives its orchestrator, but not a stop nor a killed supervisor", async () => {
  const services = [{ name: "orchestrator", stage: "roles", behaviour: "keeper" }];
  const first = supervise(services);
  await untilRunning(2);
  const runner = withBehaviour("deaf")[0]!;
  process.kill(withBehaviour("keeper")[0]!.pid, "SIGKILL");
  await untilRunning(3); // the next orchestrator of this test starts a runner of its own beside it
  expect(withBehaviour("deaf").map(({ pid }) => pid)).toContain(runner.pid);
  process.kill(withBehaviour("keeper")[0]!.pid, "SIGKILL");
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);
  expect(family()).toEqual([]);

  const second = supervise(services);
  await untilRunning(2);
  second.child.kill("SIGKILL");
  process.kill(withBehaviour("keeper")[0]!.pid, "SIGKILL");
  await second.ended;
  expect(family().length).toBe(1);
  const third = supervise([]);
  await vi.waitFor(() => expect(third.output).toContain("# ended 1 leftovers"), within);
  expect(family()).toEqual([]);
});

test("a second Ctrl-C kills at once", async () => {
  const run = supervise([{ name: "deaf", stage: "roles", behaviour: "deaf" }]);
  await vi.waitFor(() => expect(run.output).toContain("is up"), within);
  run.child.kill("SIGINT");
  run.child.kill("SIGINT"); // the same keypress, passed on by npm
  await vi.waitFor(() => expect(run.output).toContain("heard, not listening"), within);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(family(), run.output).toHaveLength(1);
  const second = Date.now();
  run.child.kill("SIGINT");
  await run.ended;
  expect(Date.now() - second).toBeLessThan(5000); // its grace would have been 8 s
  expect(family()).toEqual([]);
});

test("after kill -9 of the supervisor the next start keeps the database, ends the roles and stops it all", async () => {
  const first = supervise();
  await untilRunning(4);
  first.child.kill("SIGKILL");
  await first.ended;
  const before = family();
  expect(before.length).toBe(4);
  const second = supervise();
  await vi.waitFor(() => expect(second.output).toContain("# ready"), within);
  await untilRunning(4);
  const kept = family().filter(({ pid }) => before.some((earlier) => earlier.pid === pid));
  expect(kept.map(({ command }) => command.includes(" polite "))).toEqual([true]);
  second.child.kill("SIGTERM");
  expect(await second.ended).toBe(0);
  expect(family()).toEqual([]);
});

test("an adopted database that dies is started again", async () => {
  const first = supervise();
  await untilRunning(4);
  first.child.kill("SIGKILL");
  await first.ended;
  const before = new Set(family().map(({ pid }) => pid));
  const second = supervise();
  await vi.waitFor(() => expect(second.output).toContain("# ready"), within);
  await untilRunning(4);
  const adopted = family().find(({ pid }) => before.has(pid))!;
  process.kill(adopted.pid, "SIGKILL");
  await vi.waitFor(() => expect(second.output).toContain("# database ended; starting it again"), within);
  await untilRunning(4);
});

test("a second supervisor of the same folder is refused and touches nothing", async () => {
  supervise();
  await untilRunning(4);
  const before = family();
  const second = spawn(process.execPath, [PROGRAM, JSON.stringify({ dir, title, services: [] })], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  second.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => second.once("exit", resolve));
  expect(code).not.toBe(0);
  expect(said).toContain("Almanac already runs from this folder");
  expect(family()).toEqual(before);
});
