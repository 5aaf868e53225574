import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createFleetClient } from "../client/fleet-client.ts";
import { CRUNCH, connected, example, quiet, startTestFleet, until } from "../fixtures/test-fleet.ts";
import { findInterpreters } from "../runner/python.ts";
import { createEnvironments } from "./environment.ts";
import type { ModelView } from "./model-view.ts";
import { UploadError } from "./submission-files.ts";

const MODEL = readFileSync(example("momentum.py"), "utf8");
const PIP = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(PATH|HOME|PIP_\w+|\w+_proxy)$/i.test(name)),
) as Record<string, string>;

async function upload(
  base: string,
  files: Record<string, string>,
  fields: Record<string, string> = {},
): Promise<string> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  for (const [name, content] of Object.entries(files)) body.append("files", new Blob([content]), name);
  const answer = await fetch(`${base}/models`, { method: "POST", body });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}
const patch = (base: string, id: string, change: object) =>
  fetch(`${base}/models/${id}`, {
    method: "PATCH",
    body: JSON.stringify(change),
    headers: { "content-type": "application/json" },
  });
async function becomes(base: string, id: string, status: string): Promise<ModelView> {
  for (const end = Date.now() + 90_000; ; await sleep(100)) {
    const answer = await fetch(`${base}/models/${id}`);
    const now = (await answer.json()) as ModelView;
    if (answer.ok && now.status === status) return now;
    if (Date.now() > end) throw new Error(`${id} is ${JSON.stringify(now)}, not ${status}`);
  }
}

describe("a killed orchestrator", () => {
  test("is followed by one that knows its uploads and adopts what runs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "almanac-uploads-"));
    const modelsFile = join(folder, "models.yaml");
    await writeFile(modelsFile, JSON.stringify({ packages: [example("..")], models: [] }));
    const begin = async (): Promise<{ child: ChildProcess; port: number; base: string }> => {
      const program = fileURLToPath(new URL("../fixtures/run-orchestrator.ts", import.meta.url));
      const child = spawn(process.execPath, [program, modelsFile, folder, "http"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [printed] = await once(child.stdout!, "data");
      const [port = "", http = ""] = String(printed).trim().split(" ");
      return { child, port: Number(port), base: `http://127.0.0.1:${http}` };
    };
    const first = await begin();
    const running = await upload(first.base, { "model.py": MODEL }, { cruncher_id: "alice" });
    const before = await becomes(first.base, running, "RUNNER_RUNNING");
    const stopped = await upload(first.base, { "model.py": MODEL }, { desired_state: "STOPPED" });
    await becomes(first.base, stopped, "RUNNER_STOPPED");
    const broken = await upload(first.base, { "main.py": MODEL, "requirements.txt": "-e ." });
    await becomes(first.base, broken, "BUILDER_FAILED");
    first.child.kill("SIGKILL");
    await once(first.child, "exit");

    const second = await begin();
    try {
      const after = await becomes(second.base, running, "RUNNER_RUNNING");
      expect(after).toEqual(before); // deployment and address, too: it never stopped
      await becomes(second.base, stopped, "RUNNER_STOPPED");
      expect(await becomes(second.base, broken, "BUILDER_FAILED")).toMatchObject({
        error_code: "BUILD_FAILED",
        statusMessage: expect.stringMatching(/could not be built.*"-e \." is an option/),
      });
      await using client = createFleetClient({
        host: "127.0.0.1",
        port: second.port,
        crunchId: CRUNCH,
        baseClassname: "tracker.TrackerBase",
        logger: quiet,
      });
      await client.init();
      await connected(client, [running]);
      expect(await upload(second.base, { "model.py": MODEL })).toBe("u4"); // ids are not used again
    } finally {
      second.child.kill("SIGTERM");
      await once(second.child, "exit");
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a model that goes on crashing", () => {
  const CRASHING = `${MODEL}\n    def crash(self):\n        import os\n        print("CANARY-OUT", flush=True)\n        os._exit(3)\n`;

  test("is started again within seconds, at most five times an hour; then it stops, says why, and stays so", async () => {
    const fleet = await startTestFleet([], {
      orchestrator: { http: { host: "127.0.0.1", port: 0 }, restartsPerHour: 5 },
    });
    try {
      const base = `http://127.0.0.1:${fleet.orchestrator.httpPort}`;
      const states: string[] = [];
      const socket = new WebSocket(`ws://127.0.0.1:${fleet.orchestrator.port}/${CRUNCH}`);
      socket.on("message", (data) => {
        const { event, data: all } = JSON.parse(String(data)) as { event: string; data: { state: string }[] };
        if (event === "update") states.push(...all.map(({ state }) => state));
      });
      await once(socket, "open");
      const id = await upload(base, { "model.py": CRASHING });
      const client = await fleet.connect({ maxConsecutiveFailures: 0, maxConsecutiveTimeouts: 0 });
      await connected(client, [id]);
      const incarnation = async () =>
        (await client.call({ method: "predict", arguments: [{ type: "STRING", value: "x" }], models: [id] }))[0];
      for (let crash = 1; crash <= 6; crash++) {
        for (const end = Date.now() + 30_000; (await incarnation())?.status !== "SUCCESS"; await sleep(100))
          if (Date.now() > end)
            throw new Error(
              `not back within 30 s after crash ${crash - 1}: ${JSON.stringify([fleet.orchestrator.info().models, client.models(), states, await incarnation()])}`,
            );
        // a lane that is still catching up skips the call
        while ((await client.call({ method: "crash", models: [id] }))[0]?.status === "SKIPPED") await sleep(100);
      }
      const failed = await becomes(base, id, "RUNNER_FAILED");
      expect(failed.error_code).toBe("RUN_FAILED");
      expect(failed.statusMessage).toMatch(/ended by itself too often/);
      await until(
        () => states,
        (all) => all.at(-1) === "STOPPED",
      );
      expect(states[0]).toBe("RUNNING");
      expect(states.join(" ")).toMatch(/^(RUNNING RECOVERING )*RUNNING (RECOVERING )?STOPPED$/);
      // What it printed is in its log and nowhere else.
      expect(JSON.stringify(await (await fetch(`${base}/models`)).json())).not.toMatch(/CANARY|Traceback|os\._exit/);
      await until(
        () =>
          existsSync(join(fleet.folder, "state/logs/runner")) &&
          readdirSync(join(fleet.folder, "state/logs/runner")).length > 0,
        Boolean,
      );
      expect(await (await fetch(`${base}${failed.runner_log_uri}`)).text()).toMatch(/CANARY-OUT/);
      // The same files under another name are the same submission; the operator's word ends it.
      const twin = await upload(base, { "other-name/model.py": CRASHING });
      expect((await becomes(base, twin, "RUNNER_FAILED")).error_code).toBe("IN_QUARANTINE");
      expect((await patch(base, id, { desired_state: "RUNNING", force: true })).status).toBe(200);
      await becomes(base, id, "RUNNER_RUNNING");
      socket.close();
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
  });
});

describe("what an upload must pass", () => {
  test("a model that fails its trial is BUILDER_FAILED; its words are in the builder log alone", async () => {
    const seen: string[] = [];
    const fleet = await startTestFleet([], {
      orchestrator: {
        http: { host: "127.0.0.1", port: 0 },
        trial: async ({ code, packages }, log) => {
          seen.push(...readdirSync(code), ...packages);
          log("CANARY-TRIAL\n");
          return { code: "MODEL_RUNNER_BAD_IMPLEMENTATION" };
        },
      },
    });
    try {
      const base = `http://127.0.0.1:${fleet.orchestrator.httpPort}`;
      const failed = await becomes(base, await upload(base, { "model.py": MODEL }), "BUILDER_FAILED");
      expect(failed).toMatchObject({ error_code: "MODEL_RUNNER_BAD_IMPLEMENTATION", deployment_id: null });
      expect(seen).toEqual(expect.arrayContaining(["model.py", example("..")]));
      expect(JSON.stringify(failed)).not.toMatch(/CANARY/);
      expect(await (await fetch(`${base}${failed.builder_log_uri}`)).text()).toMatch(/CANARY-TRIAL/);
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
  });
});

describe("packages", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "almanac-packages-"));
    await chmod(folder, 0o711); // else packages lie where models' accounts can go
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("are installed once for all who ask for the same, and removed when nobody does", async () => {
    const [python] = await findInterpreters("python3");
    const environments = createEnvironments({ stateDir: folder, pipSettings: PIP });
    let said = "";
    const log = (text: string) => {
      said += text;
    };
    const ask = () => environments.ensure(["iniconfig==2.0.0"], python!, log);
    expect(await environments.ensure([], python!, log)).toBeNull();
    const [site, again] = await Promise.all([ask(), ask()]);
    expect(again).toBe(site);
    expect(said).toMatch(/Successfully installed iniconfig-2\.0\.0/);
    expect(readdirSync(site!)).toContain("iniconfig");
    await expect(environments.ensure(["almanac-has-no-such-package==0.0.1"], python!, log)).rejects.toThrow(
      /No version of "almanac-has-no-such-package==0.0.1" can be installed/,
    );
    await expect(environments.ensure(["almanac-has-no-such-package==0.0.1"], python!, log)).rejects.toBeInstanceOf(
      UploadError,
    );
    const next = createEnvironments({ stateDir: folder, pipSettings: PIP });
    await next.prune(new Set([site!]));
    expect(readdirSync(site!)).toContain("iniconfig");
    await next.prune(new Set());
    expect(existsSync(site!)).toBe(false);
  });

  test("that a model asks for are there when it runs, and not for another", async () => {
    const fleet = await startTestFleet([], {
      orchestrator: { http: { host: "127.0.0.1", port: 0 }, pipSettings: PIP },
    });
    await chmod(fleet.folder, 0o711);
    try {
      const base = `http://127.0.0.1:${fleet.orchestrator.httpPort}`;
      const code = MODEL.replace(
        "def tick",
        "def found(self):\n        import iniconfig\n        return iniconfig.__name__\n\n    def tick",
      );
      const asked = await upload(base, { "main.py": code, "requirements.txt": "iniconfig == 2.0.0  # small\n" });
      const other = await upload(base, { "main.py": code });
      await becomes(base, asked, "RUNNER_RUNNING");
      await becomes(base, other, "RUNNER_RUNNING");
      const client = await fleet.connect();
      await connected(client, [asked, other]);
      const results = await client.call({ method: "found", models: [asked, other] });
      expect(results.find(({ modelId }) => modelId === asked)).toMatchObject({
        status: "SUCCESS",
        output: "iniconfig",
      });
      expect(results.find(({ modelId }) => modelId === other)).toMatchObject({ status: "FAILURE" });
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
  });
});
