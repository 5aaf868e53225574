import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import {
  CRUNCH,
  example,
  fixture,
  startTestFleet,
  type TestEntry,
  type TestFleet,
  until,
} from "../models/fixtures/test-fleet.ts";

const ROOT = join(import.meta.dirname, "..");
const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
async function startFleet(models: TestEntry[]): Promise<TestFleet> {
  const fleet = await startTestFleet(models, { orchestrator: { grpcPort: 0 } });
  ending.push(() => fleet[Symbol.asyncDispose]());
  await until(
    () => fleet.orchestrator.info().models,
    (all) => all.length === models.length && all.every(({ state }) => state === "RUNNING"),
  );
  return fleet;
}

type Line = Record<string, unknown> & { results: Record<string, unknown>[]; models: Record<string, unknown>[] };
/** The real command in a process of its own; every line of its standard output must be JSON. */
function startClient(port: number, ...flags: string[]) {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [
    ...[join(ROOT, "cli/main.ts"), "client", "--host", "127.0.0.1", "--port", String(port), "--crunch-id", CRUNCH],
    ...["--base-class", "tracker.TrackerBase", "--timeout", "5", ...flags],
  ]);
  ending.push(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (data) => {
    errors += String(data);
  });
  const next = async (): Promise<Line> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the client has ended: ${errors}`);
    return JSON.parse(value) as Line;
  };
  return {
    child,
    next,
    errors: () => errors,
    ask(line: string | object) {
      child.stdin.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
      return next();
    },
    ended: once(child, "exit").then(([code]) => code as number),
  };
}
const ask = (subject: string) => ({ op: "call", method: "predict", args: [["STRING", subject]] });

describe("almanac client", () => {
  test("calls real models by lines; a bad line gets an error and the next is served", async () => {
    const fleet = await startFleet([
      { id: "a", code: fixture("zoo.py") },
      { id: "b", code: example("momentum.py") },
    ]);
    const client = startClient(fleet.orchestrator.port);
    expect(await client.next()).toEqual({ ready: true });
    const { models } = await client.ask({ op: "models" });
    expect(models.map(({ model_id, state }) => [model_id, state])).toEqual([
      ["a", "CONNECTED"],
      ["b", "CONNECTED"],
    ]);
    const { results } = await client.ask(ask("good"));
    expect(results.find(({ model_id }) => model_id === "a")).toEqual({
      model_id: "a",
      deployment_id: models[0]!.deployment_id,
      status: "SUCCESS",
      result: { value: 0 },
      exec_time_us: expect.any(Number),
      model_name: "name-a",
      cruncher_name: "cruncher-a",
      cruncher_id: "cruncher-a",
      detail: null,
    });
    expect(await client.ask("predict BTC")).toEqual({ error: expect.stringMatching(/^not JSON/) });
    expect(await client.ask({ op: "call" })).toEqual({ error: expect.stringMatching(/^method: /) });
    expect(await client.ask({ ...ask("good"), args: [["STRING", 5]] })).toEqual({
      error: "BAD_TYPE: predict argument 1: STRING takes text, got number",
    });
    expect((await client.ask({ ...ask("raise"), models: ["a"] })).results).toMatchObject([
      { model_id: "a", status: "FAILURE", result: null, detail: expect.stringMatching(/^MODEL_FAILED/) },
    ]);
    expect((await client.ask({ ...ask("good"), models: [] })).results).toEqual([]);
    expect((await client.ask({ ...ask("big_int"), models: ["a"] })).results[0]).toMatchObject({ status: "SUCCESS" });
    expect((await client.ask({ ...ask("hang"), models: ["a"], timeout: 1 })).results).toMatchObject([
      { status: "TIMEOUT", detail: expect.stringMatching(/^DEADLINE_EXCEEDED/) },
    ]);
    expect((await client.ask({ ...ask("good"), models: ["a"] })).results).toMatchObject([
      { status: "TIMEOUT", result: null, detail: expect.stringMatching(/^PREEMPTIVE_SKIP/) },
    ]);
    client.child.stdin.write('{"op":"exit"}\n');
    expect(await client.ended).toBe(0);
  });

  test("the end of input ends it after the last answer; integers keep their digits", async () => {
    const fleet = await startFleet([{ id: "a", code: fixture("zoo.py") }]);
    const client = startClient(fleet.orchestrator.port);
    await client.next();
    client.child.stdin.end(`${JSON.stringify(ask("big_int"))}\n`);
    const { value } = await createInterface({ input: client.child.stdout })
      [Symbol.asyncIterator]()
      .next()
      .catch(() => ({ value: "" }));
    expect(String(value)).toContain(`"result":{"value":1${"0".repeat(30)}}`);
    expect(await client.ended).toBe(0);
  });

  test("follows the orchestrator over gRPC as well", async () => {
    const fleet = await startFleet([{ id: "a", code: fixture("zoo.py") }]);
    const client = startClient(fleet.orchestrator.grpcPort!, "--orchestrator", "grpc", "--compat");
    expect(await client.next()).toEqual({ ready: true });
    expect((await client.ask(ask("good"))).results).toMatchObject([{ model_id: "a", status: "SUCCESS" }]);
  });

  test("without an orchestrator it names the address and the cure, and ends with 1", async () => {
    const client = startClient(1);
    expect(await client.ended).toBe(1);
    expect(client.errors()).toMatch(/No model orchestrator at ws:\/\/127\.0\.0\.1:1\/test-crunch/);
  });
});

test("the example of the documentation runs against a real fleet", async () => {
  const names = ["momentum", "mean_reversion"];
  const fleet = await startFleet(names.map((name) => ({ id: name, code: example(`${name}.py`) })));
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(ROOT, "docs/client-example.ts"),
    "127.0.0.1",
    String(fleet.orchestrator.port),
    CRUNCH,
  ]);
  const lines = stdout.trim().split("\n").toSorted();
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^mean_reversion SUCCESS \{"value":-?[\d.e-]+\} \d+ µs/);
  expect(lines[1]).toMatch(/^momentum SUCCESS \{"value":[\d.e-]+\} \d+ µs/);
});
