import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connected, example, fixture, startTestFleet, type TestFleet } from "../fixtures/test-fleet.ts";
import type { CallResult, FleetCall } from "./fleet.ts";
import type { FleetClient } from "./fleet-client.ts";

const NEIGHBOURS = ["good-1", "good-2"];
const tick: FleetCall = {
  method: "tick",
  args: [{ type: "JSON", value: { symbol: "BTC", asof_ts: 1, candles_1m: [] } }],
};
const ask = (subject: string): FleetCall => ({
  method: "predict",
  kwargs: [
    { keyword: "subject", type: "STRING", value: subject },
    { keyword: "resolve_horizon_seconds", type: "INT", value: 60 },
    { keyword: "step_seconds", type: "INT", value: 15 },
  ],
});
const DEADLINE_MS = 2_000;

describe.each([
  ["together", true],
  ["each over its public address", false],
])("one sick model among good ones, called %s", (_name, callMany) => {
  let fleet: TestFleet;
  let client: FleetClient;
  beforeAll(async () => {
    fleet = await startTestFleet([
      { id: "sick", code: fixture("zoo.py") },
      ...NEIGHBOURS.map((id) => ({ id, code: example("momentum.py") })),
    ]);
    client = await fleet.connect({ callMany, maxConsecutiveFailures: 0, maxConsecutiveTimeouts: 0 });
    await connected(client, ["sick", ...NEIGHBOURS]);
  });
  afterAll(() => fleet?.[Symbol.asyncDispose]());

  /** One round; the neighbours' answers must not know of the sick one. */
  async function round(subject: string): Promise<CallResult[]> {
    // What the last fault left behind passes by itself: a new process, the cool-down after a timeout.
    for (let end = Date.now() + 30_000, well = false; !well; await sleep(50)) {
      well =
        (await client.callAll({ calls: [ask("good")], models: ["sick"], deadlineMs: 1_000 })).get("sick")?.[0]
          ?.status === "SUCCESS";
      if (Date.now() > end) throw new Error("the sick model never came back");
    }
    const before = performance.now();
    const results = await client.callAll({ calls: [tick, ask(subject)], deadlineMs: DEADLINE_MS });
    expect(performance.now() - before).toBeLessThan(DEADLINE_MS + 1_000);
    for (const id of NEIGHBOURS) {
      expect(results.get(id)).toMatchObject([
        { status: "SUCCESS" },
        { status: "SUCCESS", output: { value: expect.any(Number) }, detail: null, cruncherId: `cruncher-${id}` },
      ]);
    }
    const sick = results.get("sick");
    expect(sick).toHaveLength(2);
    return sick ?? [];
  }

  const FAULTS: [subject: string, status: string, detail: RegExp][] = [
    ["raise", "FAILURE", /^MODEL_FAILED: The model raised an exception: no idea\\u001b\[31m\\u000aforged log line$/],
    ["hang", "TIMEOUT", /^DEADLINE_EXCEEDED/],
    ["spin", "TIMEOUT", /^DEADLINE_EXCEEDED/],
    ["exit", "FAILURE", /^MODEL_FAILED: DIED: the model's process exited with 3/],
    ["system_exit", "FAILURE", /^MODEL_FAILED: The model raised an exception: leaving/],
    ["nan", "FAILURE", /^MODEL_FAILED: NOT_FINITE: value\.deep\[1\] is nan/],
    ["nan_alone", "FAILURE", /^MODEL_FAILED: NOT_FINITE: the answer is inf/],
    ["huge", "FAILURE", /^MODEL_FAILED: TOO_LARGE: the answer has 524\d+ bytes/],
    ["two_megabytes", "FAILURE", /^TOO_LARGE: 20\d+ bytes of JSON, at most 1048576/],
    ["raw_frame", "FAILURE", /^MODEL_FAILED: PROTOCOL: .*52428800 bytes/],
    ["forged_answer", "FAILURE", /^MODEL_FAILED: PROTOCOL: .*nobody asked for/],
    ["close_pipe", "FAILURE", /^MODEL_FAILED: DIED: .*closed its pipe/],
    ["flood", "TIMEOUT", /^DEADLINE_EXCEEDED/],
    ["deep", "FAILURE", /^TOO_DEEP/],
    ["proto", "FAILURE", /^BAD_KEY: .*__proto__/],
    ["nul", "FAILURE", /^BAD_TEXT: value: .*NUL/],
    ["memory", "FAILURE", /^MODEL_FAILED: The model raised an exception: /],
  ];
  test.each(FAULTS)("%s is %s", async (subject, status, detail) => {
    const [, answer] = await round(subject);
    expect(answer).toMatchObject({ status, output: null });
    expect(answer?.detail).toMatch(detail);
  });

  test("a wrong type and a huge whole number arrive as they are, for the contract to judge", async () => {
    expect((await round("variant"))[1]).toMatchObject({
      status: "SUCCESS",
      output: "a text where an object is expected",
    });
    expect((await round("big_int"))[1]).toMatchObject({ status: "SUCCESS", output: { value: 10n ** 30n } });
  });

  test("prints that look like frames are only prints", async () => {
    expect((await round("prints"))[1]).toMatchObject({ status: "SUCCESS", output: { value: 1 } });
  });

  test("after its process was ended the model answers again, with its memory lost", async () => {
    await round("exit");
    expect((await round("good"))[1]).toMatchObject({ status: "SUCCESS", output: { value: 1 } });
  });

  test("inside the box there is nothing to see and no room to grow", async ({ skip }) => {
    const { level } = fleet.orchestrator.info().sandbox;
    if (level === "none") skip("no sandbox works on this machine");
    const [, seen] = await round("inside");
    expect(seen?.output).toMatchObject({ shadow: false, home: false, write_code: false, write_usr: false });
    const { processes, interfaces, environment } = seen!.output as {
      processes: number;
      interfaces: string[];
      environment: string[];
    };
    expect(processes).toBeLessThanOrEqual(3);
    expect(interfaces.filter((name) => name !== "lo")).toEqual([]);
    expect(
      environment.filter(
        (name) =>
          !["HOME", "TMPDIR", "LANG", "LC_CTYPE", "PATH", "PWD", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"].includes(
            name,
          ),
      ),
    ).toEqual([]);
    const [, forks] = await round("forks");
    expect((forks!.output as { forks: number }).forks).toBeLessThan(130);
  });
});
