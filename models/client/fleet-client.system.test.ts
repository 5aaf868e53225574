import { afterEach, describe, expect, test } from "vitest";
import {
  connected,
  example,
  fixture,
  startTestFleet,
  type TestEntry,
  type TestFleet,
  until,
} from "../fixtures/test-fleet.ts";
import { Table } from "../protocol/tables.ts";
import type { FleetCall } from "./fleet.ts";

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.[Symbol.asyncDispose]();
  fleet = undefined;
});
async function start(models: TestEntry[]): Promise<TestFleet> {
  fleet = await startTestFleet(models);
  return fleet;
}

const candles = Array.from({ length: 30 }, (_, i) => ({
  ts: i,
  open: 100 + i,
  high: 101 + i,
  low: 99 + i,
  close: 100 + i,
  volume: 1,
}));
const tick = (key?: string): FleetCall => ({
  method: "tick",
  args: [{ type: "JSON", value: { symbol: "BTC", asof_ts: 1, candles_1m: candles } }],
  ...(key ? { key } : {}),
});
const ask = (subject: string): FleetCall => ({
  method: "predict",
  args: [
    { type: "STRING", value: subject },
    { type: "INT", value: 60 },
    { type: "INT", value: 15 },
  ],
});
const zoo = (subject: string): FleetCall => ({ method: "predict", args: [{ type: "STRING", value: subject }] });

describe.each([
  ["together", true],
  ["each over its public address", false],
])("real models, called %s", (_name, callMany) => {
  test("the four example models answer differently from the same candles", async () => {
    const names = ["momentum", "mean_reversion", "volatility_trend", "slow_thinker"];
    const own = await start(names.map((name) => ({ id: name, code: example(`${name}.py`) })));
    const client = await own.connect({ callMany });
    await connected(client, names);
    const results = await client.callAll({ calls: [tick(), ask("BTC")], deadlineMs: 5_000 });
    const values = names.map((name) => (results.get(name)![1]!.output as { value: number }).value);
    expect(new Set(values).size).toBe(4);
    const shown = client.models().find((model) => model.modelId === "momentum");
    expect(shown).toMatchObject({
      sandbox: expect.stringMatching(new RegExp(`^${own.orchestrator.info().sandbox.level}`)),
      modelName: "name-momentum",
      cruncherId: "cruncher-momentum",
      state: "CONNECTED",
    });
  });

  test("a tick is delivered once per key, an empty subset calls nobody, a stranger is told apart", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({ callMany });
    await connected(client, ["a"]);
    await client.callAll({ calls: [tick("t1"), zoo("good")], deadlineMs: 5_000 });
    const again = await client.callAll({ calls: [tick("t1"), zoo("good")], deadlineMs: 5_000 });
    expect(again.get("a")).toMatchObject([
      { status: "SUCCESS", detail: "ALREADY_DELIVERED" },
      { status: "SUCCESS", output: { value: 1 } },
    ]);
    const next = await client.callAll({ calls: [tick("t2"), zoo("good")], deadlineMs: 5_000 });
    expect(next.get("a")?.[1]?.output).toEqual({ value: 2 });
    expect(await client.callAll({ calls: [tick()], models: [], deadlineMs: 5_000 })).toEqual(new Map());
    expect((await client.callAll({ calls: [tick()], models: ["b"], deadlineMs: 5_000 })).get("b")).toMatchObject([
      { status: "SKIPPED", detail: expect.stringMatching(/^NOT_CONNECTED/) },
    ]);
    expect(await client.call({ method: "predict", arguments: [{ type: "STRING", value: "good" }] })).toMatchObject([
      { modelId: "a", status: "SUCCESS", output: { value: 2 } },
    ]);
  });

  test("a lost process gets its last tick again, although the key is the same", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({
      callMany,
      maxConsecutiveFailures: 0,
    });
    await connected(client, ["a"]);
    await client.callAll({ calls: [tick("t1"), zoo("exit")], deadlineMs: 5_000 });
    // Nothing but the answer of the lost call has told the client so far.
    await until(
      () => fleet!.orchestrator.info().models[0]?.reason ?? "",
      (reason) => reason !== "",
    );
    await until(
      () => fleet!.orchestrator.info().models[0]?.reason ?? "",
      (reason) => reason === "",
    );
    const round = await client.callAll({ calls: [tick("t1"), zoo("good")], deadlineMs: 5_000 });
    expect(round.get("a")).toMatchObject([{ status: "SUCCESS", detail: null }, { output: { value: 1 } }]);
  });

  test("a busy lane skips a later fan-out; fan-outs that begin together wait for their turn", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({ callMany });
    await connected(client, ["a"]);
    const both = await Promise.all([
      client.callAll({ calls: [tick(), zoo("good")], deadlineMs: 5_000 }),
      client.callAll({ calls: [tick(), zoo("good")], deadlineMs: 5_000 }),
    ]);
    expect(both.map((results) => results.get("a")?.[1]?.output)).toEqual([{ value: 1 }, { value: 2 }]);
    const hanging = client.callAll({ calls: [zoo("hang")], deadlineMs: 1_500 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await client.callAll({ calls: [zoo("good")], deadlineMs: 500 })).get("a")).toMatchObject([
      { status: "SKIPPED", detail: expect.stringMatching(/^BUSY/) },
    ]);
    expect((await hanging).get("a")).toMatchObject([{ status: "TIMEOUT" }]);
    // One timeout: one fan-out of rest.
    expect((await client.callAll({ calls: [zoo("good")], deadlineMs: 5_000 })).get("a")).toMatchObject([
      { status: "SKIPPED", detail: expect.stringMatching(/^PREEMPTIVE_SKIP/) },
    ]);
  });

  test("a failed tick may stop the question behind it; a caller who gives up counts against nobody", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({ callMany });
    await connected(client, ["a"]);
    const stopped = await client.callAll({
      calls: [zoo("raise"), zoo("good")],
      deadlineMs: 5_000,
      stopOnFailure: true,
    });
    expect(stopped.get("a")).toMatchObject([
      { status: "FAILURE" },
      { status: "SKIPPED", detail: expect.stringMatching(/^PREVIOUS_CALL_FAILED: predict: MODEL_FAILED/) },
    ]);
    const goOn = await client.callAll({ calls: [zoo("raise"), zoo("good")], deadlineMs: 5_000 });
    expect(goOn.get("a")?.[1]?.status).toBe("SUCCESS");
    const control = new AbortController();
    setTimeout(() => control.abort(), 100);
    const aborted = await client.callAll({
      calls: [zoo("hang"), zoo("good")],
      deadlineMs: 3_000,
      signal: control.signal,
    });
    expect(aborted.get("a")).toMatchObject([
      { status: "SKIPPED", detail: expect.stringMatching(/^ABORTED/) },
      { status: "SKIPPED" },
    ]);
    expect(client.models()[0]?.state).toBe("CONNECTED");
  });

  test("an argument that cannot be sent names itself", async () => {
    const client = await (await start([])).connect({ callMany });
    const bad = client.callAll({
      calls: [{ method: "tick", args: [{ type: "JSON", value: { close: Number.NaN } }] }],
      deadlineMs: 1_000,
    });
    await expect(bad).rejects.toThrow(/NOT_FINITE: tick argument 1: close: /);
  });

  test("the tenth failure in a row disconnects and reports; the orchestrator starts the model anew", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({
      callMany,
      maxConsecutiveFailures: 3,
    });
    await connected(client, ["a"]);
    const states: string[] = [];
    client.onChange((models) => states.push(models[0]?.state ?? "gone"));
    for (let i = 0; i < 3; i++) {
      expect(client.models()[0]?.state).toBe("CONNECTED");
      await client.callAll({ calls: [zoo("raise")], deadlineMs: 5_000 });
    }
    await until(
      () => states,
      (seen) => seen.includes("DISCONNECTED") && seen.includes("RECOVERING"),
    );
    await connected(client, ["a"]);
    expect((await client.callAll({ calls: [zoo("good")], deadlineMs: 5_000 })).get("a")).toMatchObject([
      { status: "SUCCESS" },
    ]);
  });

  test("models that cannot be set up say why, and hold up nobody", async () => {
    const own = await start([
      { id: "broken", code: fixture("broken_import.py") },
      { id: "two", code: fixture("two_classes") },
      { id: "hang", code: fixture("hang_in_setup.py") },
      { id: "good", code: example("momentum.py") },
    ]);
    const client = await own.connect({ callMany, setupTimeoutMs: 2_000, connectTries: 1 });
    const reasons: string[] = [];
    client.onChange((models) =>
      reasons.push(
        ...models.flatMap((model) =>
          model.modelId === "hang" && model.state === "DISCONNECTED" ? [model.reason ?? ""] : [],
        ),
      ),
    );
    await connected(client, ["good"]);
    const stopped = (id: string) => own.orchestrator.info().models.find((model) => model.modelId === id)?.reason ?? "";
    await until(
      () => stopped("broken"),
      (reason) =>
        /No Inherited class found.*broken_import(\.py)?: ModuleNotFoundError: No module named 'no_such_module_anywhere'/.test(
          reason,
        ),
    );
    await until(
      () => stopped("two"),
      (reason) => /Several classes inherit.*one\.One, two\.Two/.test(reason),
    );
    await until(
      () => reasons,
      (seen) => seen.some((reason) => /^CONNECTION_FAILED: .*DEADLINE_EXCEEDED/.test(reason)),
    );
    expect((await client.callAll({ calls: [tick(), ask("BTC")], deadlineMs: 5_000 })).get("good")?.[1]?.status).toBe(
      "SUCCESS",
    );
  });

  test("a table without a library for it is the model's failure, not the fleet's", async () => {
    const client = await (await start([{ id: "a", code: fixture("zoo.py") }])).connect({ callMany });
    await connected(client, ["a"]);
    const table = new Table([{ name: "x", values: [1, 2] }]);
    expect(
      (
        await client.callAll({
          calls: [{ method: "tick", args: [{ type: "ARROW", value: table }] }],
          deadlineMs: 5_000,
        })
      ).get("a"),
    ).toMatchObject([{ status: expect.stringMatching(/SUCCESS|FAILURE/) }]);
  });
});
