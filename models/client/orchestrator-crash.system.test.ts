import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { CRUNCH, connected, example, fixture, quiet, startTestFleet, until } from "../fixtures/test-fleet.ts";
import type { FleetCall } from "./fleet.ts";
import { createFleetClient } from "./fleet-client.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A real orchestrator process, on the same ports and over the same folder each time it is started. */
async function startable() {
  const folder = await mkdtemp(join(tmpdir(), "almanac-crash-"));
  ending.push(() => rm(folder, { recursive: true, force: true }));
  const modelsFile = join(folder, "models.yaml");
  const entry = { crunch_id: CRUNCH, cruncher_id: "x", desired_state: "RUNNING", trusted: true };
  const models = ["a", "b"].map((id) => ({ id, code: fixture("zoo.py"), ...entry }));
  await writeFile(modelsFile, JSON.stringify({ packages: [join(example("..")), fixture("packages")], models }));
  const ports = { ws: await freePort(), grpc: await freePort() };
  let child: ChildProcess | undefined;
  const stop = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  };
  ending.push(() => stop("SIGTERM"));
  return {
    ports,
    kill: () => stop("SIGKILL"),
    async start() {
      const argv = [fixture("run-orchestrator.ts"), modelsFile, folder, "", String(ports.ws), String(ports.grpc)];
      child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout!, "data");
    },
  };
}

const tick = (key: string): FleetCall => ({ method: "tick", args: [{ type: "JSON", value: { key } }], key });
const ask: FleetCall = { method: "predict", args: [{ type: "STRING", value: "good" }] };

test.each(["ws", "grpc"] as const)(
  "an orchestrator that is killed and comes back disconnects no healthy model (%s)",
  async (kind) => {
    const orchestrator = await startable();
    await orchestrator.start();
    const client = createFleetClient({
      host: "127.0.0.1",
      port: orchestrator.ports[kind],
      orchestrator: kind,
      crunchId: CRUNCH,
      baseClassname: "tracker.TrackerBase",
      logger: quiet,
    });
    ending.push(() => client[Symbol.asyncDispose]());
    await client.init();
    await connected(client, ["a", "b"]);
    const before = client.models();
    const states = new Set<string>();
    let told = 0;
    client.onChange((models) => {
      told++;
      for (const { modelId, deploymentId, state } of models) states.add(`${modelId} ${deploymentId} ${state}`);
      if (models.length !== 2) states.add(`only ${models.length} models`);
    });
    const play = async (i: number) => {
      const results = await client.callAll({ calls: [tick(`t${i}`), ask], deadlineMs: 10_000 });
      // Every tick is remembered: the processes are the same.
      for (const id of ["a", "b"])
        expect(results.get(id)).toMatchObject([{ status: "SUCCESS" }, { status: "SUCCESS", output: { value: i } }]);
    };
    await play(1);
    for (let crash = 1; crash <= 2; crash++) {
      await orchestrator.kill();
      await play(crash * 2);
      const heard = told;
      await orchestrator.start();
      await until(
        () => told,
        (count) => count > heard,
      );
      await sleep(500); // whatever else it says about its models
      await play(crash * 2 + 1);
    }
    expect([...states].toSorted()).toEqual(before.map((m) => `${m.modelId} ${m.deploymentId} CONNECTED`).toSorted());
  },
);

test("models are followed over gRPC as over the WebSocket: they come, are replaced and go", async () => {
  const fleet = await startTestFleet([{ id: "a", code: example("momentum.py") }], { orchestrator: { grpcPort: 0 } });
  ending.push(() => fleet[Symbol.asyncDispose]());
  const options = { orchestrator: "grpc", port: fleet.orchestrator.grpcPort! } as const;
  const [over, beside] = [await fleet.connect(options), await fleet.connect()];
  await connected(over, ["a"]);
  await fleet.write([
    { id: "a", code: example("mean_reversion.py") },
    { id: "b", code: example("momentum.py") },
  ]);
  await connected(over, ["a", "b"]);
  await until(
    () => over.models().map(({ modelId, deploymentId, address, sandbox }) => [modelId, deploymentId, address, sandbox]),
    (seen) =>
      JSON.stringify(seen) ===
      JSON.stringify(beside.models().map((m) => [m.modelId, m.deploymentId, m.address, m.sandbox])),
  );
  await fleet.write([]);
  await until(
    () => over.models(),
    (models) => models.length === 0,
  );
});
