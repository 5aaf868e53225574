import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import type { CallResult } from "../../models/client/fleet.ts";
import { createFleetClient, type FleetClient, type FleetClientOptions } from "../../models/client/fleet-client.ts";
import { CRUNCH, connected, fixture, quiet } from "../../models/fixtures/test-fleet.ts";
import { startEventServer } from "../../models/orchestrator/event-server.ts";
import { type Argument, type CallRequest, messageType } from "../../models/protocol/messages.ts";
import type { DeploymentEvent } from "../../models/protocol/orchestrator-messages.ts";
import { Table } from "../../models/protocol/tables.ts";
import { exchanged } from "./exchanges.ts";
import { type OrchestratorDouble, startOrchestratorDouble } from "./orchestrator-double.ts";
import { startPublicClient } from "./public-client.ts";
import { type PublicRunner, startPublicRunner } from "./public-runner.ts";
import { eventually } from "./waiting.ts";

const model = (name: string) => join(import.meta.dirname, `models/${name}.py`);
const packages = [fixture("packages")];
const BASE = "goldbase.core.Base";
const countCall = messageType<CallRequest>("dynamic_subclass.CallRequest").serialize({
  methodName: "count",
  methodArguments: [],
  methodKwArguments: [],
});

/** Our client over crunch-model-runner processes. */
export function ourClientOverPublicRunner(python: { client: string; runner: string }): void {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  });
  const keep = <T extends AsyncDisposable>(resource: T): T => {
    open.push(resource);
    return resource;
  };
  const runner = async (name = "behaviour", port?: number, script?: string): Promise<PublicRunner> =>
    keep(
      await startPublicRunner(python.runner, {
        code: model(name),
        packages,
        ...(port === undefined ? {} : { port }),
        ...(script === undefined ? {} : { script: join(import.meta.dirname, "python", script) }),
      }),
    );
  const double = async (ports: Readonly<Record<string, number>>): Promise<OrchestratorDouble> =>
    keep(await startOrchestratorDouble(Object.entries(ports).map(([id, port]) => ({ id, port }))));
  const connect = async (
    { port }: { port: number },
    ids: readonly string[],
    more: Partial<FleetClientOptions> = {},
  ): Promise<FleetClient> => {
    const client = keep(
      createFleetClient({ host: "127.0.0.1", port, crunchId: CRUNCH, baseClassname: BASE, logger: quiet, ...more }),
    );
    await client.init();
    await connected(client, ids);
    return client;
  };
  /** One call to one model. */
  const ask = async (client: FleetClient, method: string, args: Argument[] = [], id = "m", deadlineMs = 20_000) => {
    const results = await client.callAll({ calls: [{ method, args }], models: [id], deadlineMs });
    exchanged();
    return results.get(id)![0] as CallResult;
  };
  const reports = ({ heard }: OrchestratorDouble) =>
    heard.flatMap((text) => (JSON.parse(text) as { data: Record<string, unknown>[] }).data);

  describe("our client over crunch-model-runner", () => {
    test("values of every type, every kind of answer", async () => {
      const client = await connect(await double({ m: (await runner()).port }), ["m"], { maxConsecutiveFailures: 0 });
      const same = async (argument: Argument) => (await ask(client, "same", [argument])).output;
      expect(await same({ type: "DOUBLE", value: 0.1 })).toBe(0.1);
      expect(await same({ type: "INT", value: -1 })).toBe(-1);
      expect(await same({ type: "INT", value: 2n ** 63n - 1n })).toBe(2n ** 63n - 1n);
      expect(await same({ type: "STRING", value: "hé 😀 \u2028" })).toBe("hé 😀 \u2028");
      const nested = { a: [1, 2.5, null, true, "x"], b: { c: {} } };
      expect(await same({ type: "JSON", value: nested })).toEqual(nested);
      const table = new Table([
        { name: "ts", values: [1, 2] },
        { name: "close", values: [1.5, 2.25] },
      ]);
      expect((await ask(client, "total", [{ type: "PARQUET", value: table }])).output).toEqual({ ts: 3, close: 3.75 });
      const back = (await same({ type: "PARQUET", value: table })) as Table;
      expect(back).toBeInstanceOf(Table);
      expect(back.columns.map(({ name }) => name)).toEqual(["ts", "close"]);

      expect(await ask(client, "nothing")).toMatchObject({ status: "SUCCESS", output: null, detail: null });
      expect(await ask(client, "unicode")).toMatchObject({ status: "SUCCESS", output: "hé 😀 \u2028" });
      expect(await ask(client, "large_int")).toMatchObject({ status: "SUCCESS", output: 2n ** 63n - 1n });
      const failures: [method: string, detail: RegExp][] = [
        ["boom", /^MODEL_FAILED: The model raised an exception: boom$/],
        ["pair", /^MODEL_FAILED: .*Unsupported data type/],
        ["a_set", /^MODEL_FAILED: .*Unsupported data type/],
        ["too_large_int", /^MODEL_FAILED: .*too big/],
        // The public runner sends them; NaN is no answer.
        ["nan", /^NOT_FINITE/],
        ["nan_inside", /^NOT_FINITE: v/],
      ];
      for (const [method, detail] of failures) {
        const { status, output, detail: why } = await ask(client, method);
        expect([method, status, output]).toEqual([method, "FAILURE", null]);
        expect(why).toMatch(detail);
      }
      // The peer cannot read these two types; it says so and lives on.
      expect(await ask(client, "same", [{ type: "NONE", value: null }])).toMatchObject({
        detail: expect.stringMatching(/Unsupported data type: 0/),
      });
      expect(await ask(client, "same", [{ type: "ARROW", value: table }])).toMatchObject({
        detail: expect.stringMatching(/Unsupported data type: 5/),
      });
      expect(await ask(client, "nothing")).toMatchObject({ status: "SUCCESS" });
    });

    test("instance arguments, order of a fan-out's calls, and pruned keywords", async () => {
      const client = await connect(await double({ m: (await runner()).port }), ["m"], {
        instanceArgs: [{ type: "STRING", value: "first" }],
        instanceKwargs: [{ keyword: "depth", type: "INT", value: 7 }],
      });
      expect((await ask(client, "init_args")).output).toEqual({ args: ["first"], kwargs: { depth: 7 } });
      const tick = { method: "tick", args: [{ type: "JSON" as const, value: {} }] };
      const results = await client.callAll({
        calls: [tick, tick, { method: "count" }, { ...tick, key: "t" }, { ...tick, key: "t" }, { method: "count" }],
        deadlineMs: 20_000,
      });
      exchanged(5);
      expect(results.get("m")?.map(({ output, detail }) => detail ?? output)).toEqual([
        null,
        null,
        2,
        null,
        "ALREADY_DELIVERED",
        3,
      ]);
      const [pruned] = await client.call({
        method: "all_of",
        arguments: [{ type: "INT", value: 1 }],
        kwargs: [
          { keyword: "c", type: "INT", value: 9 },
          { keyword: "surprise", type: "INT", value: 2 },
        ],
      });
      exchanged();
      expect(pruned).toMatchObject({ status: "SUCCESS", output: { a: 1, b: 2, c: 9 }, modelName: "name-m" });
    });

    test("a hanging model times out, stays busy for others, and hurts nobody", async () => {
      const [slow, good] = [await runner(), await runner()];
      const orchestrator = await double({ m: slow.port, good: good.port });
      const client = await connect(orchestrator, ["m", "good"], { maxConsecutiveTimeouts: 2 });
      const begun = performance.now();
      const results = await client.callAll({
        calls: [{ method: "slow", args: [{ type: "INT", value: 3600 }] }],
        models: ["m"],
        deadlineMs: 1_000,
      });
      exchanged();
      expect(performance.now() - begun).toBeLessThan(2_000);
      expect(results.get("m")).toMatchObject([{ status: "TIMEOUT", detail: expect.stringMatching(/DEADLINE/) }]);
      // The peer goes on with a cancelled call: whoever calls now is told that it is busy.
      const raw = new Client(`127.0.0.1:${slow.port}`, credentials.createInsecure());
      const busy = await new Promise<{ code: number; details: string }>((resolve) =>
        raw.makeUnaryRequest(
          "/dynamic_subclass.DynamicSubclassService/Call",
          (bytes: Buffer) => bytes,
          (bytes) => bytes,
          countCall,
          (error) => resolve({ code: error?.code ?? 0, details: error?.details ?? "" }),
        ),
      );
      raw.close();
      exchanged();
      expect(busy).toEqual({ code: 8, details: "Server busy" });
      expect(await ask(client, "count", [], "good")).toMatchObject({ status: "SUCCESS" });
      expect(await ask(client, "count")).toMatchObject({
        status: "SKIPPED",
        detail: expect.stringMatching(/^PREEMPTIVE/),
      });
      expect(await ask(client, "count")).toMatchObject({
        status: "TIMEOUT",
        detail: "RESOURCE_EXHAUSTED: Server busy",
      });
      await eventually(
        () => reports(orchestrator),
        (seen) => seen.some(({ failure_code, model_id }) => failure_code === "MULTIPLE_TIMEOUT" && model_id === "m"),
      );
      expect(await ask(client, "count", [], "good")).toMatchObject({ status: "SUCCESS" });
    });

    test("code that cannot work is reported in the public orchestrator's words", async () => {
      const ports = {
        lonely: (await runner("no_subclass")).port,
        unready: (await runner("raises_in_setup")).port,
        m: (await runner()).port,
      };
      const orchestrator = await double(ports);
      const client = await connect(orchestrator, ["m"]);
      await eventually(
        () => reports(orchestrator).length,
        (count) => count === 2,
      );
      const byModel = new Map(reports(orchestrator).map((report) => [report.model_id, report]));
      expect(byModel.get("lonely")).toMatchObject({
        failure_code: "BAD_IMPLEMENTATION",
        failure_reason: expect.stringMatching(/No Inherited class found/),
        ip: "127.0.0.1",
      });
      expect(byModel.get("unready")).toMatchObject({
        failure_code: "MULTIPLE_FAILED",
        failure_reason: expect.stringMatching(/^SETUP_FAILED: weights are missing/),
      });
      expect(await ask(client, "no_such_method")).toMatchObject({
        status: "FAILURE",
        detail: expect.stringMatching(/^BAD_IMPLEMENTATION: Method "no_such_method" not found/),
      });
      await eventually(
        () => reports(orchestrator).at(-1),
        (last) => last?.model_id === "m" && last.failure_code === "BAD_IMPLEMENTATION",
      );
      exchanged(2);
    });

    test("failures in a row disconnect at the limit, a success between them begins anew", async () => {
      const orchestrator = await double({ m: (await runner()).port });
      const client = await connect(orchestrator, ["m"], { maxConsecutiveFailures: 3 });
      for (const method of ["boom", "boom", "count", "boom", "boom"]) await ask(client, method);
      expect(reports(orchestrator)).toEqual([]);
      await ask(client, "boom");
      expect(client.models()[0]?.state).toBe("DISCONNECTED");
      await eventually(
        () => reports(orchestrator),
        ([first]) => first?.failure_code === "MULTIPLE_FAILED" && /exception: boom$/.test(String(first.failure_reason)),
      );
    });

    test("a killed runner fails its call at once and is called again where it comes back", async () => {
      const own = await runner();
      const orchestrator = await double({ m: own.port });
      const client = await connect(orchestrator, ["m"], { maxConsecutiveFailures: 0 });
      await ask(client, "tick", [{ type: "JSON", value: {} }]);
      const killed = ask(client, "slow", [{ type: "INT", value: 60 }]);
      setTimeout(() => void own.kill(), 300);
      expect(await killed).toMatchObject({ status: "FAILURE", detail: expect.stringMatching(/^UNAVAILABLE/) });
      await runner("behaviour", own.port);
      // Nobody told our client: it finds the runner without an instance, and sets it up.
      await eventually(
        () => ask(client, "count"),
        ({ status, output }) => status === "SUCCESS" && output === 0,
      );
    });

    test("the orchestrator's news: recovering, a new deployment, stopped; its connection cut", async () => {
      const [first, second] = [await runner(), await runner()];
      const orchestrator = await double({ m: first.port });
      const client = await connect(orchestrator, ["m"]);
      await ask(client, "tick", [{ type: "JSON", value: {} }]);
      orchestrator.tell({ id: "m", port: first.port, state: "RECOVERING" });
      await eventually(
        () => client.models()[0]?.state,
        (state) => state === "RECOVERING",
      );
      orchestrator.tell({ id: "m", port: second.port, deployment: "m_2" });
      await connected(client, ["m"]);
      expect(await ask(client, "count")).toMatchObject({ output: 0, deploymentId: "m_2" });
      orchestrator.tell({ id: "m", port: first.port, state: "STOPPED" }); // of the old deployment: no news
      orchestrator.drop();
      await eventually(
        () => ask(client, "count"),
        ({ status }) => status === "SUCCESS",
      );
      orchestrator.tell({ id: "m", port: second.port, deployment: "m_2", state: "STOPPED" });
      await eventually(
        () => client.models().length,
        (count) => count === 0,
      );
    });

    test("our own event server announces it as well, to both clients", async () => {
      const { port } = await runner();
      const told: string[] = [];
      const event: DeploymentEvent = { deployment_id: "d1", model_id: "m", state: "RUNNING", ip: "127.0.0.1", port };
      const server = await startEventServer({
        host: "127.0.0.1",
        port: 0,
        logger: quiet,
        source: {
          ready: Promise.resolve(),
          events: (crunchId) => (crunchId === CRUNCH ? [event] : []),
          knows: (modelId) => modelId === "m",
          onReport: ({ failure_code }) => told.push(failure_code),
        },
      });
      keep({ [Symbol.asyncDispose]: () => server.close() });
      const ours = await connect(server, ["m"]);
      const theirs = keep(
        await startPublicClient(python.client, { port: server.port, crunchId: CRUNCH, baseClassname: BASE }),
      );
      expect((await ask(ours, "all_of", [{ type: "INT", value: 1 }])).output).toEqual({ a: 1, b: 2, c: 3 });
      expect((await theirs.call({ method: "all_of", args: [["INT", 1]] })).get("m")?.result).toEqual({
        a: 1,
        b: 2,
        c: 3,
      });
      await ask(ours, "no_such_method");
      await theirs.call({ method: "no_such_method" });
      await eventually(
        () => told,
        (codes) => codes.join() === "BAD_IMPLEMENTATION,BAD_IMPLEMENTATION",
      );
    });

    test("an older runner, whose answers have no status and whose failures are gRPC's", async () => {
      const { port } = await runner("behaviour", undefined, "older_runner.py");
      const client = await connect(await double({ m: port }), ["m"], { maxConsecutiveFailures: 0 });
      expect(await ask(client, "predict")).toMatchObject({ status: "SUCCESS", output: { value: 0.5 }, detail: null });
      expect(await ask(client, "number")).toMatchObject({ status: "SUCCESS", output: 1.5 });
      expect(await ask(client, "nothing")).toMatchObject({ status: "SUCCESS", output: null });
      expect(await ask(client, "blank")).toMatchObject({ status: "SUCCESS", output: 7 });
      expect(await ask(client, "boom")).toMatchObject({
        status: "FAILURE",
        detail: "INTERNAL: The model raised an exception: boom",
      });
      await ask(client, "forgets");
      expect(await ask(client, "predict")).toMatchObject({
        status: "FAILURE",
        detail: expect.stringMatching(/^FAILED_PRECONDITION/),
      });
      await eventually(
        () => ask(client, "predict"),
        ({ status }) => status === "SUCCESS", // set up again
      );
    });
  });
}
