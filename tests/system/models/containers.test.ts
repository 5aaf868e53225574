import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { quiet } from "../../../models/fixtures/test-fleet.ts";
import { CODE } from "../../../models/protocol/answer-code.ts";
import { createContainerHosts } from "../../../models/runner/container-host.ts";
import { createModelLog } from "../../../models/runner/log-drain.ts";
import type { ModelHost } from "../../../models/runner/model-host.ts";
import { type ContainerBackEnd, containerBackEnd, processBackEnd } from "./containers.backends.ts";
import { ask, type BackEnd, hostContract, INSIDE_MODEL, look, prepared, ready } from "./containers.contract.ts";
import { engineProblem, startTestEngine, type TestEngine } from "./containers.engine.ts";

const SPINS = join(import.meta.dirname, "spins.py");
const NOTHING = "0000000000000000";
const problem = await engineProblem();
// Where it counts, a missing engine is a failure.
const skip = problem !== undefined && !process.env.CI;
if (skip) console.warn(`The tests of the container back end are skipped: ${problem}.`);

hostContract("processes in boxes", processBackEnd);

describe.skipIf(skip)("on a real container engine", () => {
  let engine: TestEngine;
  let backEnd: ContainerBackEnd;
  beforeAll(async () => {
    expect(problem).toBeUndefined();
    engine = await startTestEngine();
    backEnd = await containerBackEnd(engine);
  });
  afterAll(async () => {
    await backEnd?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  });
  const host = async (by: BackEnd): Promise<ModelHost> => {
    const starting = by.host(INSIDE_MODEL);
    onTestFinished(async () => (await starting).stop());
    return prepared(starting);
  };
  const nothingLeft = () => expect.poll(() => engine.containers(), { timeout: 30_000, interval: 200 }).toEqual([]);

  hostContract("containers", () => containerBackEnd(engine));

  test("a model sees its folders, a small /tmp and nothing else", async () => {
    const model = await host(backEnd);
    const seen = await look<Record<string, unknown>>(model, "look");
    expect(seen).toEqual({
      ...{ capabilities: NOTHING, bounding: NOTHING, no_new_privs: "1", seccomp: "2", uid: 65534, groups: [65534] },
      environment: expect.any(Array),
      interfaces: ["lo"],
      writable: expect.any(Array),
      socket: false,
      processes: [1, expect.any(Number)],
      descriptors: [0, 1, 2, 3],
      packages_first: ["/almanac/packages", "/almanac/code"],
    });
    const ours = ["HOME", "TMPDIR", "LANG", "LC_CTYPE", "PATH", "PWD", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"];
    const engines = ["HOSTNAME", "TERM", "container"];
    expect((seen.environment as string[]).filter((name) => ![...ours, ...engines].includes(name))).toEqual([]);
    expect(seen.writable).toEqual(["/dev/shm", "/tmp"]);
    expect(await look(model, "orphan")).toEqual({ zombies: 0 });
  });

  test("a submission in TypeScript runs in the image's node, as closed in as one in Python", async () => {
    const code = join(backEnd.models.folder, "main.ts");
    await writeFile(
      code,
      `import { readFileSync, writeFileSync } from "node:fs";
       import { networkInterfaces } from "node:os";
       const refused = (action: () => void): boolean => { try { action(); return false; } catch { return true; } };
       export default class Mine {
         ticks = 0;
         tick(): void { this.ticks += 1; }
         predict(): object {
           const names = Object.keys(networkInterfaces()).filter((name) => name !== "lo");
           return { ticks: this.ticks, uid: process.getuid?.(), names, read_only: refused(() => writeFileSync(import.meta.filename, "")),
             shadow: refused(() => readFileSync("/etc/shadow")) };
         }
       }`,
    );
    const starting = backEnd.javascript(code);
    onTestFinished(async () => (await starting).stop());
    const model = await prepared(starting);
    const expected = { ticks: 0, uid: 65534, names: [], read_only: true, shadow: true };
    expect(await look(model, "anything")).toEqual(expected);
  });

  test("the engine ends a model that fills its memory in small pieces, and the author reads why", async () => {
    await using small = await containerBackEnd(engine, { limits: { memoryMiB: 128 } });
    const model = await host(small);
    const answer = await ask(model, "fill_memory");
    expect([answer.code, answer.value.toString()]).toEqual([
      CODE.DIED,
      expect.stringMatching(
        /used more than 128 MiB of memory|ended by SIGKILL, most likely for using more than 128 MiB/,
      ),
    ]);
    await ready(model);
    expect(await look(model, "good")).toEqual({ value: 1 });
  });

  test("a killed runner leaves nothing running, although the model spins; its next run removes the rest", async () => {
    const { models } = backEnd;
    const options = {
      ...{ engine: engine.socket, image: engine.image, runner: "killed", folder: join(models.folder, "killed") },
    };
    const run = () => [join(import.meta.dirname, "containers.runner.ts"), JSON.stringify({ ...options, folders })];
    const folders = await models.stage(SPINS);
    const child = spawn(process.execPath, run(), { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("spinning\n");
    expect(await engine.containers("running")).toHaveLength(1);
    child.kill("SIGKILL");
    await expect.poll(() => engine.containers("running"), { timeout: 30_000, interval: 200 }).toEqual([]);

    const neighbour = await host(backEnd);
    expect(await engine.containers()).toHaveLength(2);
    const next = await createContainerHosts({ ...options, logger: quiet });
    await next.removeLeftovers();
    expect(await engine.containers()).toHaveLength(1);
    expect(await readdir(options.folder)).toEqual([]);
    expect(await look(neighbour, "good")).toEqual({ value: 1 });
  });

  test("a host that is killed at any moment of its start is gone", async () => {
    const folders = await backEnd.models.stage(INSIDE_MODEL);
    const events = { frame: () => true, oversize: () => undefined, end: () => undefined };
    const runs = [0, 30, 100, 200, 400, 800].map(async (afterMs) => {
      const host = backEnd.hosts.start(folders, createModelLog(), events);
      setTimeout(host.kill, afterMs);
      await host.exited;
    });
    await Promise.all(runs);
    await nothingLeft();
    expect(await readdir(join(backEnd.models.folder, "channels"))).toEqual([]);
  });

  test("says which engine it is and what it cannot hold", () => {
    expect(backEnd.hosts.describe()).toEqual({
      engine: "Podman Engine",
      version: expect.stringMatching(/^\d/),
      missing: [],
    });
  });

  test("an image without Python ends with the engine's word", async () => {
    const options = {
      engine: engine.socket,
      runner: "bare",
      folder: join(backEnd.models.folder, "bare"),
      logger: quiet,
    };
    const hosts = await createContainerHosts({ ...options, image: engine.bareImage });
    const folders = await backEnd.models.stage(INSIDE_MODEL);
    const { promise, resolve } = Promise.withResolvers<string>();
    const host = hosts.start(folders, createModelLog(), { frame: () => true, oversize: () => undefined, end: resolve });
    expect(await promise).toMatch(/^could not be run in a container: .*python3/);
    await host.exited;
    await nothingLeft();
  });

  test.each([
    ["tcp://10.0.0.1:2375", "x", /^DOCKER_HOST is tcp:.*needs? an engine of this machine/],
    [
      "unix:///no/such/engine.sock",
      "x",
      /^The container engine at unix:\/\/\/no\/such\/engine\.sock does not answer .*MODEL_BACKEND=process/,
    ],
    ["", "localhost/no-such-image:1", /has no image localhost\/no-such-image:1\. Pull or build it/],
  ])("refuses %s with image %s", async (address, image, message) => {
    const options = {
      engine: address || engine.socket,
      image,
      runner: "none",
      folder: backEnd.models.folder,
      logger: quiet,
    };
    await expect(createContainerHosts(options)).rejects.toThrow(message);
  });

  test("an engine that does not answer is named, not waited for", async () => {
    const folder = join(backEnd.models.folder, "silent");
    await mkdir(folder);
    const silent = createServer(() => undefined).listen(join(folder, "engine.sock"));
    onTestFinished(() => void silent.close());
    const options = { engine: join(folder, "engine.sock"), image: "x", runner: "silent", folder, logger: quiet };
    await expect(createContainerHosts(options)).rejects.toThrow(/does not answer \(nothing within 10000 ms\)/);
  });

  test("nothing is left of all these, and no removal failed", async () => {
    await nothingLeft();
    expect(backEnd.errors).toEqual([]);
  });
});
