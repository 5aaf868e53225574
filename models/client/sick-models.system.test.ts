import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connected, example, fixture, startTestFleet, type TestFleet } from "../fixtures/test-fleet.ts";
import type { CallResult, FleetCall } from "./fleet.ts";
import type { FleetClient } from "./fleet-client.ts";

const NEIGHBOURS = ["good-1", "good-2"];
const DEADLINE_MS = 1_500;
const tick = (fault = ""): FleetCall => ({
  method: "tick",
  args: [{ type: "JSON", value: { symbol: "BTC", asof_ts: 1, candles_1m: [], fault } }],
});
const ask = (subject: string): FleetCall => ({
  method: "predict",
  kwargs: [
    { keyword: "subject", type: "STRING", value: subject },
    { keyword: "resolve_horizon_seconds", type: "INT", value: 60 },
    { keyword: "step_seconds", type: "INT", value: 15 },
  ],
});

// Beside misbehaviour.system.test.ts: what breaks in a tick, between two rounds, or in the middle of an answer.
describe.each([
  ["together", true],
  ["each over its public address", false],
])("a model that is sick in other ways, called %s", (_name, callMany) => {
  let fleet: TestFleet;
  let client: FleetClient;
  beforeAll(async () => {
    fleet = await startTestFleet([
      { id: "sick", code: fixture("sick.py") },
      ...NEIGHBOURS.map((id) => ({ id, code: example("momentum.py") })),
    ]);
    client = await fleet.connect({ callMany, maxConsecutiveFailures: 0, maxConsecutiveTimeouts: 0 });
    await connected(client, ["sick", ...NEIGHBOURS]);
  });
  afterAll(() => fleet?.[Symbol.asyncDispose]());

  /** What the last fault left behind passes by itself: a new process, the rest after a timeout. */
  async function recovered(): Promise<void> {
    for (const end = Date.now() + 60_000; ; await sleep(50)) {
      const seen = await client.callAll({ calls: [ask("good")], models: ["sick"], deadlineMs: 1_000 });
      if (seen.get("sick")?.[0]?.status === "SUCCESS") return;
      if (Date.now() > end) throw new Error(`the sick model never came back: ${JSON.stringify(seen.get("sick"))}`);
    }
  }

  async function round(calls: FleetCall[]): Promise<CallResult[]> {
    await recovered();
    const before = performance.now();
    const results = await client.callAll({ calls, deadlineMs: DEADLINE_MS });
    expect(performance.now() - before).toBeLessThan(DEADLINE_MS + 1_000);
    for (const id of NEIGHBOURS) {
      expect(results.get(id)).toMatchObject([
        { status: "SUCCESS" },
        { status: "SUCCESS", output: { value: expect.any(Number) }, detail: null },
      ]);
    }
    const sick = results.get("sick") ?? [];
    expect(sick).toHaveLength(2);
    return sick;
  }

  const FAULTS: [subject: string, status: string, detail: RegExp][] = [
    ["stubborn", "TIMEOUT", /^DEADLINE_EXCEEDED/],
    ["half_answer", "FAILURE", /^MODEL_FAILED: DIED: .*/],
    ["abort", "FAILURE", /^MODEL_FAILED: DIED: .*(SIGABRT|134)/],
    ["hundred_megabytes", "FAILURE", /^MODEL_FAILED: TOO_LARGE: the answer has 10485\d+ bytes/],
    ["surrogate", "FAILURE", /^(MODEL_FAILED: |BAD_TEXT)/],
    ["a_set", "FAILURE", /^MODEL_FAILED: The model raised an exception: .*set/],
    ["itself", "FAILURE", /^MODEL_FAILED: The model raised an exception: .*Sick/],
    ["cycle", "FAILURE", /^MODEL_FAILED: /],
    ["infinity", "FAILURE", /^MODEL_FAILED: NOT_FINITE: value is -inf/],
    ["huge_int", "FAILURE", /^MODEL_FAILED: /],
    ["stop_iteration", "FAILURE", /^MODEL_FAILED: /],
    ["bad_repr", "FAILURE", /^MODEL_FAILED: /],
    ["no_such_thing", "FAILURE", /^MODEL_FAILED: .*do_no_such_thing/],
  ];
  test.each(FAULTS)("%s is %s", async (subject, status, detail) => {
    const [ticked, answer] = await round([tick(), ask(subject)]);
    // Calls of one batch are answered together: a process that ends takes the answer to its tick along.
    if (!answer?.detail?.includes("DIED")) expect(ticked).toMatchObject({ status: "SUCCESS" });
    expect(answer).toMatchObject({ status, output: null });
    expect(answer?.detail).toMatch(detail);
  });

  test("hanging in a tick costs that model its prediction and nobody else anything", async () => {
    expect(await round([tick("hang"), ask("good")])).toMatchObject([
      { status: "TIMEOUT", detail: expect.stringMatching(/^DEADLINE_EXCEEDED/) },
      { status: "TIMEOUT", detail: expect.stringMatching(/^DEADLINE_EXCEEDED/) },
    ]);
  });

  test("ending in a tick: both calls fail at once, with the reason", async () => {
    const results = await round([tick("abort"), ask("good")]);
    for (const { status, detail } of results) {
      expect(status).toBe("FAILURE");
      expect(detail).toMatch(/DIED|NOT_READY/);
    }
  });

  test("an answer that comes after the deadline is in no later round", async () => {
    expect((await round([tick(), ask("late")]))[1]).toMatchObject({ status: "TIMEOUT" });
    for (let i = 0; i < 3; i++) {
      const [, answer] = await round([tick(), ask("good")]);
      expect(answer?.status).toBe("SUCCESS");
      expect(answer?.output).not.toEqual({ value: 666 });
    }
  });

  test("a child that comes back out of the method does not answer for its parent", async () => {
    const [, answer] = await round([tick(), ask("fork_answers")]);
    expect(answer).toMatchObject({ status: "SUCCESS", output: { value: 1 } });
    expect((await round([tick(), ask("good")]))[1]?.status).toBe("SUCCESS");
  });
});
