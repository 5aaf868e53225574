import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { example, fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { readJson } from "../protocol/json-read.ts";
import { encodeVariant } from "../protocol/variant.ts";
import { type Box, type BoxFolders, findBox, hostLaunch, modelUid, type SandboxLevel } from "./box.ts";
import { CODE, type HostCall } from "./frames.ts";
import { createModelHost } from "./model-host.ts";
import { findInterpreters, type Interpreter } from "./python.ts";
import { createStaging, type Staging } from "./staging.ts";

const SLOT = 40;
let state: string;
let staging: Staging;
let folders: BoxFolders;
let interpreters: Interpreter[];
beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), "almanac-box-"));
  staging = await createStaging(state);
  folders = await staging.stage("zoo", { code: fixture("zoo.py"), packages: [example("..")] }, modelUid(SLOT));
  interpreters = await findInterpreters("python3");
});
afterAll(async () => {
  await staging.remove();
  rmSync(state, { recursive: true, force: true });
});

const setup: HostCall = { name: "tracker.TrackerBase", args: [], kwargs: [] };
const ask = (subject: string): HostCall => ({ name: "predict", args: [encodeVariant("STRING", subject)], kwargs: [] });

describe.each<SandboxLevel>(["bwrap", "unshare"])("box %s", (level) => {
  test("shows a model nothing and bounds it", async ({ skip }) => {
    const boxes: Box[] = interpreters.map((interpreter) => ({ level, interpreter, tried: [] }));
    const usable = boxes.find(({ interpreter }) => interpreter.executable.startsWith("/usr/"));
    if (!usable) return skip("no system Python");
    const host = createModelHost({
      launch: () => hostLaunch(usable, SLOT, folders),
      logger: quiet,
      onChange: () => undefined,
    });
    try {
      await until(
        () => host.state(),
        (now) => now === "READY",
        10_000,
      ).catch(() => skip(`${level} does not work on this machine: ${host.log.text()}`));
      expect((await host.run("SETUP", [setup], 10_000))[0]?.code).toBe(CODE.OK);
      const [seen] = await host.run("BATCH", [ask("inside")], 10_000);
      expect(readJson(seen!.value)).toMatchObject({ shadow: false, home: false, write_code: false, write_usr: false });
      const { processes, interfaces } = readJson(seen!.value) as { processes: number; interfaces: string[] };
      expect(processes).toBeLessThanOrEqual(3);
      expect(interfaces.filter((name) => name !== "lo")).toEqual([]);
      const [forks] = await host.run("BATCH", [ask("forks")], 20_000);
      expect((readJson(forks!.value) as { forks: number }).forks).toBeLessThan(130);
      const [memory] = await host.run("BATCH", [ask("memory")], 10_000);
      expect(memory?.code).toBe(CODE.FAILED);
    } finally {
      await host.stop();
    }
  });
});

describe("finding a box", () => {
  test("the strongest that works, with an interpreter that models can reach", async () => {
    const box = await findBox("auto", interpreters, folders);
    const bubblewrap = await findBox("required", interpreters, folders).catch((error: Error) => error);
    if (bubblewrap instanceof Error) expect(bubblewrap.message).toMatch(/Install bubblewrap/);
    else expect(box.level).toBe("bwrap");
  });

  test("required refuses when no box works, and says what was tried and what helps", async () => {
    const unreachable = { ...interpreters[0]!, executable: "/no/such/python", prefixes: ["/no/such"] };
    await expect(findBox("required", [unreachable], folders)).rejects.toThrow(
      /SANDBOX=required \(bwrap with \/no\/such\/python: .*\)\. Install bubblewrap/,
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
    launch: () => hostLaunch({ level: "none", interpreter: interpreters[0]!, tried: [] }, SLOT, folders),
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
