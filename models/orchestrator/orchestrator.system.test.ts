import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createFleetClient } from "../client/fleet-client.ts";
import {
  CRUNCH,
  connected,
  example,
  fixture,
  quiet,
  startTestFleet,
  type TestFleet,
  until,
} from "../fixtures/test-fleet.ts";
import { startOrchestrator } from "./orchestrator.ts";

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.[Symbol.asyncDispose]();
  fleet = undefined;
});

/** Ids of all processes below this one. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]));
    } catch {
      parents.delete(Number(name)); // it ended meanwhile
    }
  }
  const below = (of: number): number[] =>
    [...parents].filter(([, parent]) => parent === of).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}
const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};
const states = (own: TestFleet) =>
  Object.fromEntries(own.orchestrator.info().models.map((model) => [model.modelId, model.state]));

describe("models file", () => {
  test("entries come, stop and go with the file; a broken file keeps the last good list", async () => {
    fleet = await startTestFleet([{ id: "a", code: example("momentum.py") }]);
    const client = await fleet.connect();
    await connected(client, ["a"]);
    await fleet.write([
      { id: "a", code: example("momentum.py") },
      { id: "b", code: example("mean_reversion.py") },
    ]);
    await connected(client, ["a", "b"]);
    await fleet.writeRaw("models: [{id: a, code: ");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(states(fleet)).toEqual({ a: "RUNNING", b: "RUNNING" });
    await fleet.write([
      { id: "a", code: example("momentum.py"), desired_state: "STOPPED" },
      { id: "b", code: example("mean_reversion.py") },
    ]);
    await until(
      () => client.models().map((model) => model.modelId),
      (ids) => ids.join() === "b",
    );
    await fleet.write([]);
    await until(
      () => client.models(),
      (models) => models.length === 0,
    );
    const { runnerPid } = fleet.orchestrator.info();
    await until(
      () => descendants(runnerPid!),
      (pids) => pids.length === 0,
    );
  });

  test("an edited model is replaced by a new deployment, without a gap", async () => {
    fleet = await startTestFleet([]);
    const code = join(fleet.folder, "model.py");
    await copyFile(example("momentum.py"), code);
    await fleet.write([{ id: "a", code }]);
    const client = await fleet.connect();
    await connected(client, ["a"]);
    const before = client.models()[0]?.deploymentId;
    const seen: number[] = [];
    client.onChange((models) => seen.push(models.length));
    await writeFile(code, `${readFileSync(code, "utf8")}\n# edited\n`);
    await until(
      () => client.models()[0],
      (model) => model?.deploymentId !== before && model?.state === "CONNECTED",
    );
    expect(Math.min(...seen)).toBe(1);
    expect(fleet.orchestrator.info().models).toHaveLength(1);
  });

  test("a model whose files are missing is stopped with its reason", async () => {
    fleet = await startTestFleet([{ id: "a", code: "/no/such/model.py" }]);
    await until(
      () => fleet!.orchestrator.info().models,
      (models) => models[0]?.state === "STOPPED" && /ENOENT/.test(models[0].reason ?? ""),
    );
  });
});

describe("processes", () => {
  test("the runner killed with -9 takes its hosts along; its models recover", async () => {
    fleet = await startTestFleet([
      { id: "a", code: fixture("zoo.py") },
      { id: "b", code: example("momentum.py") },
    ]);
    const client = await fleet.connect();
    await connected(client, ["a", "b"]);
    const seen: string[] = [];
    client.onChange((models) => seen.push(...models.map((model) => model.state)));
    const { runnerPid } = fleet.orchestrator.info();
    const spinning = client.callAll({
      calls: [{ method: "predict", args: [{ type: "STRING", value: "spin" }] }],
      models: ["a"],
      deadlineMs: 10_000,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const hosts = descendants(runnerPid!);
    expect(hosts.length).toBeGreaterThanOrEqual(2);
    process.kill(runnerPid!, "SIGKILL");
    await until(
      () => hosts.filter(alive),
      (left) => left.length === 0,
      5_000,
    );
    expect((await spinning).get("a")?.[0]).toMatchObject({
      status: "FAILURE",
      detail: expect.stringMatching(/^UNAVAILABLE|^CANCELLED/),
    });
    await until(
      () => seen,
      (all) => all.includes("RECOVERING"),
    );
    await connected(client, ["a", "b"]);
    expect(fleet.orchestrator.info().runnerPid).not.toBe(runnerPid);
    expect(Object.values(states(fleet))).toEqual(["RUNNING", "RUNNING"]);
  });

  test("an orchestrator killed with -9 leaves its models running; the next one adopts them; its end ends them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "almanac-adopt-"));
    const modelsFile = join(folder, "models.yaml");
    await writeFile(
      modelsFile,
      JSON.stringify({
        packages: [join(example(".."))],
        models: [
          {
            id: "a",
            code: example("momentum.py"),
            crunch_id: CRUNCH,
            cruncher_id: "x",
            desired_state: "RUNNING",
            trusted: true,
          },
        ],
      }),
    );
    const first: ChildProcess = spawn(
      process.execPath,
      [fileURLToPath(new URL("../fixtures/run-orchestrator.ts", import.meta.url)), modelsFile, folder],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [port] = await once(first.stdout!, "data");
    await using client = createFleetClient({
      host: "127.0.0.1",
      port: Number(port),
      crunchId: CRUNCH,
      baseClassname: "tracker.TrackerBase",
      logger: quiet,
    });
    await client.init();
    await connected(client, ["a"]);
    const [before] = client.models();
    first.kill("SIGKILL");
    await once(first, "exit");
    const options = {
      host: "127.0.0.1",
      port: 0,
      crunchId: CRUNCH,
      modelsFile,
      runnerPort: 0,
      sandbox: "auto",
      python: "python3",
      stateDir: folder,
      logger: quiet,
    } as const;
    const log = readFileSync(join(folder, "runner.log"), "utf8");
    const pid = Number(/"pid":(\d+)/.exec(log)?.[1]);
    expect(alive(pid)).toBe(true);
    const second = await startOrchestrator(options);
    expect(second.info().runnerPid).toBe(pid);
    await until(
      () => second.info().models,
      (models) => models[0]?.state === "RUNNING",
    );
    const { deploymentId, address } = second.info().models[0]!;
    expect({ deploymentId, address }).toEqual({ deploymentId: before?.deploymentId, address: before?.address });
    const answer = await client.callAll({
      calls: [{ method: "predict", args: [{ type: "STRING", value: "BTC" }] }],
      deadlineMs: 5_000,
    });
    expect(answer.get("a")).toMatchObject([{ status: "SUCCESS" }]);
    const hosts = descendants(pid);
    await second.close();
    expect(hosts.length).toBeGreaterThan(0);
    expect([pid, ...hosts].filter(alive)).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  });

  test("a taken port names its cure", async () => {
    fleet = await startTestFleet([]);
    const options = {
      host: "127.0.0.1",
      port: fleet.orchestrator.port,
      crunchId: CRUNCH,
      modelsFile: join(fleet.folder, "models.yaml"),
      runnerPort: 0,
      sandbox: "auto",
      python: "python3",
      stateDir: join(fleet.folder, "other"),
      logger: quiet,
    } as const;
    await expect(startOrchestrator(options)).rejects.toThrow(/Port \d+ is taken\. .*ORCHESTRATOR_PORT/);
  });
});

describe("WebSocket", () => {
  test("plain HTTP gets 426, a page of another origin nothing, a client init and updates", async () => {
    fleet = await startTestFleet([{ id: "a", code: example("momentum.py") }]);
    const base = `127.0.0.1:${fleet.orchestrator.port}`;
    const plain = await fetch(`http://${base}/${CRUNCH}`);
    expect([plain.status, await plain.text(), plain.headers.get("content-type")]).toEqual([
      426,
      "Upgrade Required: use WebSocket\n",
      "text/plain; charset=utf-8",
    ]);
    const nobody = new WebSocket(`ws://${base}/`);
    const [said] = (await once(nobody, "message")) as [Buffer];
    expect(JSON.parse(String(said))).toEqual({
      error: "crunch_id is required and is expected in the path as /<crunch_id>",
    });
    expect((await once(nobody, "close"))[0]).toBe(1000);
    const page = new WebSocket(`ws://${base}/${CRUNCH}`, { origin: "https://elsewhere.example" });
    await expect(once(page, "open")).rejects.toThrow(/401|403/);
    await until(
      () => states(fleet!),
      (now) => now.a === "RUNNING",
    );
    const socket = new WebSocket(`ws://${base}/${CRUNCH}/`);
    const messages: { event?: string; data?: object[]; error?: string }[] = [];
    socket.on("message", (data) => messages.push(JSON.parse(String(data))));
    await until(
      () => messages,
      (all) => all.length === 1,
    );
    expect(messages[0]).toMatchObject({
      event: "init",
      data: [
        {
          model_id: "a",
          state: "RUNNING",
          ip: "127.0.0.1",
          port: expect.any(Number),
          infos: { model_name: "name-a", cruncher_id: "cruncher-a" },
        },
      ],
    });
    socket.send("no json");
    await until(
      () => messages,
      (all) => all.at(-1)?.error === "the message is not JSON",
    );
    await fleet.write([]);
    await until(
      () => messages,
      (all) => JSON.stringify(all.at(-1)).includes('"state":"STOPPED"'),
    );
    socket.close();
  });
});
