import { chmodSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pythonPackages } from "../fixtures/python-packages.ts";
import { example, fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { CODE } from "../protocol/answer-code.ts";
import { readJson } from "../protocol/json-read.ts";
import { encodeVariant } from "../protocol/variant.ts";
import { type Box, type BoxFolders, findBox, inForce, modelUid, type SandboxLevel } from "./box.ts";
import type { HostCall } from "./frames.ts";
import { submissionLaunch } from "./host-program.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { createModelHost } from "./model-host.ts";
import { findInterpreters, type Interpreter } from "./python.ts";
import { createWatchdog } from "./resource-watch.ts";
import { FILTER_FILE } from "./seccomp.ts";
import { createStaging, type Staging } from "./staging.ts";

const SLOT = 40;
let state: string;
let staging: Staging;
let folders: BoxFolders;
/** for the first slot, in which boxes are tried */
let probed: BoxFolders;
let interpreters: Interpreter[];
beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), "almanac-box-"));
  chmodSync(state, 0o755);
  staging = await createStaging(state);
  folders = await staging.stage("zoo", { code: fixture("zoo.py"), packages: [example("..")] }, modelUid(SLOT));
  probed = await staging.stage("probe", { code: fixture("zoo.py"), packages: [] }, modelUid(0));
  interpreters = await findInterpreters("python3");
});
afterAll(async () => {
  await staging.remove();
  rmSync(state, { recursive: true, force: true });
});

const setup: HostCall = { name: "tracker.TrackerBase", args: [], kwargs: [] };
const ask = (subject: string): HostCall => ({ name: "predict", args: [encodeVariant("STRING", subject)], kwargs: [] });

const inCi = process.env.CI !== undefined;
/** Only root has accounts that cannot read interpreters below a closed home. */
const reachable = ({ executable }: Interpreter) => process.getuid?.() !== 0 || executable.startsWith("/usr/");

describe.each<SandboxLevel>(["bwrap", "unshare"])("box %s with the filter of system calls", (level) => {
  test("numpy, pandas and pyarrow work in it, with threads and forks", async ({ skip }) => {
    const interpreter = interpreters.find(reachable);
    if (!interpreter) throw new Error("no Python that other accounts can run; install python3");
    const maker = interpreters[0]?.executable ?? "python3";
    const packages = await pythonPackages(maker, interpreter, ["numpy", "pandas", "pyarrow"]);
    const submission = { code: fixture("packages_user.py"), packages: [example("..")] };
    const own = await staging.stage(`packages-${level}`, submission, modelUid(SLOT));
    const watch = createWatchdog(DEFAULT_LIMITS);
    const box: Box = { level, interpreter, tried: [], seccomp: true, watch };
    const launch = () => submissionLaunch("python", box, SLOT, { ...own, more: [packages] });
    const host = createModelHost({ launch, logger: quiet, onChange: () => undefined });
    try {
      await until(
        () => host.state(),
        (now) => now === "READY",
      ).catch((error) => {
        if (inCi) throw error;
        skip(`${level} does not work on this machine: ${host.reason()} ${host.log.text()}`);
      });
      expect((await host.run("SETUP", [setup], 60_000))[0]?.code).toBe(CODE.OK);
      const [answer] = await host.run("BATCH", [ask("BTC")], 110_000);
      expect(answer?.code, `${answer?.value} ${host.log.text()}`).toBe(CODE.OK);
      expect(readJson(answer!.value)).toEqual({
        sums: true,
        means: { a: 4999, b: 5000 },
        total: 49995000,
        squares: [1, 2, 3],
        python: interpreter.version.slice(0, 2),
      });
    } finally {
      await host.stop();
    }
  }, 700_000);
});

describe("finding a box", () => {
  test("the strongest that works, with an interpreter that models can reach", async () => {
    const box = await findBox("auto", interpreters, probed);
    const required = await findBox("required", interpreters, probed).catch((error: Error) => error);
    if (required instanceof Error && !inCi) expect(required.message).toMatch(/Install bubblewrap/);
    else
      expect([inForce(box), inForce(required as Box)]).toMatchObject(Array(2).fill({ level: "bwrap", seccomp: true }));
    if (process.platform === "linux") expect(inForce(box).memory).toMatch(/cgroup|watchdog/);
    expect(inForce(box).limits).toEqual(DEFAULT_LIMITS);
  });

  test("without bubblewrap the next level is taken, and required refuses with cause and cure", async () => {
    const path = mkdtempSync(join(state, "path-"));
    chmodSync(path, 0o755);
    symlinkSync("/bin/sh", join(path, "sh"));
    const without = interpreters.filter(reachable).map((each) => ({ ...each, searchPath: path }));
    const weaker = await findBox("auto", without, probed);
    expect(weaker.level).not.toBe("bwrap");
    expect(weaker.tried.join()).toMatch(/bwrap\+seccomp with .*bwrap/);
    await expect(findBox("required", without, probed)).rejects.toThrow(
      /SANDBOX=required \(bwrap\+seccomp with .*bwrap.*\)\. Install bubblewrap and allow user namespaces and seccomp/,
    );
  });

  test.each([
    ["is missing", undefined],
    ["lets everything through", Buffer.from([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])],
  ])("where the filter %s, it is not said to be in force, and required refuses", async (_how, filter) => {
    const host = mkdtempSync(join(state, "host-"));
    cpSync(probed.host, host, { recursive: true });
    chmodSync(host, 0o755);
    rmSync(join(host, FILTER_FILE));
    if (filter) writeFileSync(join(host, FILTER_FILE), filter);
    const usable = interpreters.filter(reachable);
    const box = await findBox("auto", usable, { ...probed, host });
    expect(inForce(box).seccomp).toBe(false);
    if (inCi) expect(box.level).toBe("bwrap");
    await expect(findBox("required", usable, { ...probed, host })).rejects.toThrow(
      /SANDBOX=required .*Install bubblewrap/,
    );
  });

  test("required refuses when no interpreter can be reached, and says what was tried and what helps", async () => {
    const unreachable = { ...interpreters[0]!, executable: "/no/such/python", prefixes: ["/no/such"] };
    await expect(findBox("required", [unreachable], probed)).rejects.toThrow(
      /SANDBOX=required \(bwrap\+seccomp with \/no\/such\/python: .*\)\. Install bubblewrap/,
    );
  });

  test("no Python at all names the cure", async () => {
    const found = await findInterpreters("/no/such/python").catch((error: Error) => error.message);
    if (typeof found === "string") expect(found).toMatch(/Install python3, or set PYTHON/);
    else expect(found[0]?.executable).toMatch(/^\/usr\//);
  });
});

test("without a box a model's whole group dies with it, and it is the same to callers", async () => {
  const host = createModelHost({
    launch: () =>
      submissionLaunch("python", { level: "none", interpreter: interpreters[0]!, tried: [] }, SLOT, folders),
    logger: quiet,
    onChange: () => undefined,
  });
  await until(
    () => host.state(),
    (now) => now === "READY",
  );
  await host.run("SETUP", [setup], 10_000);
  const [answer] = await host.run("BATCH", [ask("good")], 10_000);
  expect(readJson(answer!.value)).toEqual({ value: 0 });
  expect((await host.run("BATCH", [ask("hang"), ask("good")], 300)).map(({ code }) => code)).toEqual([
    CODE.TIMEOUT,
    CODE.TIMEOUT,
  ]);
  expect(host.incarnation()).toBe(2);
  await until(
    () => host.state(),
    (now) => now === "READY",
  );
  const [again] = await host.run("BATCH", [ask("good")], 10_000);
  expect(again?.code).toBe(CODE.OK); // set up anew by the runner itself
  await host.stop();
});
