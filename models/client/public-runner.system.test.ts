import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { type Announcer, entryOf, startAnnouncer } from "../fixtures/announce.ts";
import { type FakeRunner, startFakeRunner } from "../fixtures/fake-runner.ts";
import { connected, until } from "../fixtures/test-fleet.ts";
import type { CallRequest, CallResponse } from "../protocol/messages.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import { decodeVariant, encodeVariant } from "../protocol/variant.ts";
import type { FleetCall } from "./fleet.ts";
import type { FleetClient } from "./fleet-client.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
async function runner(...options: Parameters<typeof startFakeRunner>): Promise<FakeRunner> {
  const made = await startFakeRunner(...options);
  ending.push(() => made.close());
  return made;
}
async function announce(...entries: DeploymentEvent[]): Promise<Announcer> {
  const made = await startAnnouncer(entries);
  ending.push(() => made[Symbol.asyncDispose]());
  return made;
}

const ask: FleetCall = { method: "predict", args: [{ type: "STRING", value: "BTC" }] };
const tick = (key: string): FleetCall => ({ method: "tick", args: [{ type: "JSON", value: { key } }], key });
const hang = () => new Promise<never>(() => undefined);
const value = (given: number): CallResponse => ({ methodResponse: encodeVariant("DOUBLE", given) });

/** A runner that remembers its calls with their first argument, and answers predict with the number of ticks. */
async function recordingRunner(): Promise<FakeRunner & { log: string[] }> {
  const made = Object.assign(await runner(), { log: [] as string[] });
  made.answer = async ({ methodName, methodArguments: [first] }: CallRequest) => {
    const given = decodeVariant(first!.data!) as { key?: string };
    made.log.push(methodName === "tick" ? `tick ${given.key}` : methodName);
    return methodName === "tick" ? { status: { code: "SUCCESS", message: "" } } : value(1);
  };
  return made;
}
const round = (client: FleetClient, key: string, deadlineMs = 5_000) =>
  client.callAll({ calls: [tick(key), ask], deadlineMs });

describe("ticks that a model has missed", () => {
  test("a new deployment gets them before its first question, and before it is called connected", async () => {
    const [old, fresh] = [await recordingRunner(), await recordingRunner()];
    const orchestrator = await announce(entryOf("a", old.port));
    const client = await orchestrator.connect();
    await connected(client, ["a"]);
    for (let i = 1; i <= 12; i++) await round(client, `t${i}`);
    orchestrator.announce([entryOf("a", fresh.port, { deployment_id: "d2" })]);
    await until(
      () => client.models()[0],
      (model) => model?.deploymentId === "d2" && model.state === "CONNECTED",
    );
    expect(fresh.log).toEqual(["t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12"].map((key) => `tick ${key}`));
    const results = (await round(client, "t12")).get("a");
    expect(results).toMatchObject([{ detail: "ALREADY_DELIVERED" }, { status: "SUCCESS", deploymentId: "d2" }]);
    expect(fresh.log.slice(8)).toEqual(["predict"]);
  });

  test("a model that was slow gets them when its rest is over, oldest first, outside of any round", async () => {
    const model = await recordingRunner();
    const orchestrator = await announce(entryOf("a", model.port));
    const client = await orchestrator.connect();
    await connected(client, ["a"]);
    const { answer } = model;
    await round(client, "t0");
    // Three timeouts in a row: two fan-outs of rest.
    model.answer = hang;
    let made = 0;
    for (let i = 1; made < 3; i++) {
      const [first] = (await round(client, `x${i}`, 150)).get("a")!;
      if (first!.status === "TIMEOUT") made++;
      else expect(first!.detail).toMatch(/^(PREEMPTIVE_SKIP: \d+ consecutive timeouts|BUSY: .*missed)$/);
    }
    model.answer = answer;
    model.log.length = 0;
    for (const key of ["t1", "t2"])
      expect((await round(client, key)).get("a")).toMatchObject([
        { status: "SKIPPED", detail: "PREEMPTIVE_SKIP: 3 consecutive timeouts" },
        { status: "SKIPPED" },
      ]);
    await until(
      () => model.log,
      (log) => log.includes("tick t2"),
    );
    expect(model.log.slice(-2)).toEqual(["tick t1", "tick t2"]);
    expect((await round(client, "t3")).get("a")).toMatchObject([{ status: "SUCCESS" }, { status: "SUCCESS" }]);
    expect(model.log.slice(-4)).toEqual(["tick t1", "tick t2", "tick t3", "predict"]);
    expect(client.metrics()).toMatchObject([{ modelId: "a", calls: { SUCCESS: 4 }, waitUs: null }]);
  });

  test("a fan-out that found the lane busy is made up for when it is free", async () => {
    const model = await recordingRunner();
    const orchestrator = await announce(entryOf("a", model.port));
    const client = await orchestrator.connect();
    await connected(client, ["a"]);
    const { answer } = model;
    model.answer = async (request) => {
      if (request.methodName === "predict") await sleep(1_000);
      return answer(request);
    };
    const slow = round(client, "t1", 10_000);
    await sleep(500);
    expect((await round(client, "t2")).get("a")).toMatchObject([{ detail: expect.stringMatching(/^BUSY/) }, {}]);
    await slow;
    await until(
      () => model.log,
      (log) => log.length === 3,
    );
    expect(model.log).toEqual(["tick t1", "predict", "tick t2"]);
  });

  test("what it must not say: a model whose ticks hang is connected all the same, and harms nobody", async () => {
    const [sick, well] = [await runner(), await recordingRunner()];
    const orchestrator = await announce(entryOf("well", well.port));
    const client = await orchestrator.connect();
    await connected(client, ["well"]);
    await round(client, "t1");
    sick.answer = hang;
    orchestrator.announce([entryOf("sick", sick.port)]);
    await until(
      () => sick.calls.length,
      (count) => count > 0,
    );
    const before = Date.now();
    expect([...(await round(client, "t2")).keys()]).toEqual(["well"]);
    expect(Date.now() - before).toBeLessThan(4_000);
    await until(
      () => client.models().find(({ modelId }) => modelId === "sick")?.state,
      (state) => state === "CONNECTED",
    );
  });
});

describe("health", () => {
  test("a runner that times out and is not healthy gets a new connection; what was counted stays", async () => {
    const model = await runner();
    const orchestrator = await announce(entryOf("a", model.port));
    const client = await orchestrator.connect({ maxConsecutiveTimeouts: 2 });
    await connected(client, ["a"]);
    model.answer = hang;
    model.healthy = false;
    expect((await client.callAll({ calls: [ask], deadlineMs: 200 })).get("a")).toMatchObject([{ status: "TIMEOUT" }]);
    await until(
      () => model.setups,
      (setups) => setups === 2,
    );
    expect(model.probes).toBe(1);
    await until(
      () => client.models()[0]?.state,
      (state) => state === "COOLDOWN",
    );
    for (const reached of ["SKIPPED", "TIMEOUT"])
      expect((await client.callAll({ calls: [ask], deadlineMs: 200 })).get("a")).toMatchObject([{ status: reached }]);
    await until(
      () => orchestrator.reports,
      (reports) => reports.length > 0,
    );
    expect(orchestrator.reports).toMatchObject([{ failure_code: "MULTIPLE_TIMEOUT", deployment_id: "d-a" }]);
  });

  test("a new connection to the same deployment repeats the last tick only: its process may be alive", async () => {
    const model = await recordingRunner();
    const orchestrator = await announce(entryOf("a", model.port));
    const client = await orchestrator.connect({ maxConsecutiveTimeouts: 5 });
    await connected(client, ["a"]);
    for (const key of ["t1", "t2", "t3"]) await round(client, key);
    const { answer } = model;
    model.answer = hang;
    model.healthy = false;
    await client.callAll({ calls: [ask], deadlineMs: 200 });
    model.answer = answer;
    await until(
      () => model.setups,
      (setups) => setups === 2,
    );
    await until(
      () => client.models()[0]?.state,
      (state) => state === "COOLDOWN",
    );
    expect(model.log).toEqual(["tick t1", "predict", "tick t2", "predict", "tick t3", "predict", "tick t3"]);
  });

  test("a healthy one keeps its connection", async () => {
    const model = await runner();
    const orchestrator = await announce(entryOf("a", model.port));
    const client = await orchestrator.connect({ maxConsecutiveTimeouts: 5 });
    await connected(client, ["a"]);
    model.answer = hang;
    await client.callAll({ calls: [ask], deadlineMs: 200 });
    await until(
      () => model.probes,
      (probes) => probes === 1,
    );
    await sleep(200);
    expect(model.setups).toBe(1);
  });
});

test("an orchestrator that comes and goes disconnects nobody", async () => {
  const model = await runner();
  const entry = entryOf("a", model.port);
  const first = await startAnnouncer([entry]);
  const client = await first.connect();
  ending.push(() => client[Symbol.asyncDispose]());
  await connected(client, ["a"]);
  const states = new Set<string>();
  client.onChange((models) => models.forEach(({ state }) => void states.add(state)));
  const { port } = first.server;
  await first.server.close();
  for (let flaps = 0; flaps < 3; flaps++) {
    expect((await client.callAll({ calls: [ask], deadlineMs: 5_000 })).get("a")).toMatchObject([{ status: "SUCCESS" }]);
    const next = await startAnnouncer([entry], port);
    await until(
      () => next.told(),
      (count) => count === 1,
    );
    await next.server.close();
  }
  expect([...states].filter((state) => state !== "CONNECTED")).toEqual([]);
  expect(model.setups).toBe(1);
});

test("a runner on IPv6 is a runner", async () => {
  const model = await runner({ host: "[::1]" });
  const orchestrator = await announce(entryOf("a", model.port, { ip: "::1" }));
  const client = await orchestrator.connect();
  await connected(client, ["a"]);
  expect((await client.callAll({ calls: [ask], deadlineMs: 5_000 })).get("a")).toMatchObject([{ status: "SUCCESS" }]);
  expect(client.models()[0]!.address).toBe(`[::1]:${model.port}`);
});
