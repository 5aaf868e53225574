import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Announcer, entryOf, startAnnouncer } from "../fixtures/announce.ts";
import { CRUNCH, connected, fixture, startTestFleet, type TestFleet, until } from "../fixtures/test-fleet.ts";
import type { CallResult, CallStatus } from "./fleet.ts";
import type { FleetClient } from "./fleet-client.ts";

const DEADLINE_MS = 2_000;
/** A round is over 250 ms after its deadline; a busy test machine gets the rest. */
const SLACK_MS = 1_000;
// The last one is a name that is none of an object's own.
const GOOD = ["good-1", "good-2", "__proto__"];

interface Expected {
  readonly status: CallStatus;
  readonly detail: RegExp | null;
  readonly output?: unknown;
}
const fails = (detail: RegExp): Expected => ({ status: "FAILURE", detail });
const timesOut = (detail = /^DEADLINE_EXCEEDED/): Expected => ({ status: "TIMEOUT", detail });
const succeeds = (output: unknown): Expected => ({ status: "SUCCESS", detail: null, output });
/** Connections come about in the background; whoever is not there when a round begins is left out of it. */
const leftOut: Expected = { status: "SKIPPED", detail: /^NOT_CONNECTED: (CONNECTING|DISCONNECTED)/ };

/**
 * Section 3 of the reliability promises, row by row, with the runners of run-bad-runners.ts that behave so. Its rows that are about
 * models: misbehaviour.system.test.ts (stdout flood, OOM, exit) and sick-models.system.test.ts.
 */
const ROWS: Readonly<Record<string, Readonly<Record<string, Expected>>>> = {
  "hang; headers then hang; late answer": {
    hang: timesOut(),
    headers_then_hang: timesOut(),
    half_an_answer: timesOut(),
    late: timesOut(),
  },
  "runner dies": {
    dies: fails(/^(UNAVAILABLE|INTERNAL|CANCELLED|UNKNOWN): /),
    dies_in_the_answer: fails(/^(UNAVAILABLE|INTERNAL|CANCELLED|UNKNOWN): /),
    resets: fails(/^(UNAVAILABLE|INTERNAL|CANCELLED|UNKNOWN): /),
  },
  "accepts TCP, silent; drips a byte a second; Setup never ends": {
    silent: leftOut,
    drip: leftOut,
    hangs_up: leftOut,
    setup_hangs: leftOut,
  },
  "4 MiB + 1": { over_4_mib: fails(/^TOO_LARGE: /) },
  "100 MiB": { of_100_mib: fails(/^TOO_LARGE: /) },
  "200 kB of trailers": { long_trailers: fails(/^(TOO_LARGE|RESOURCE_EXHAUSTED|INTERNAL|UNAVAILABLE|CANCELLED)/) },
  "infinite stream for a unary call": { endless_stream: { status: "TIMEOUT", detail: /./ } },
  "6 kB error details with NUL, newlines, escapes": {
    long_details: fails(/^INTERNAL: no\\u0000\\u000a\\u001b\[31mideax+$/),
  },
  "3 MB status.message": {
    long_message: fails(/^MODEL_FAILED: x{486}$/),
    long_message_of_success: succeeds(1),
  },
  "PING / SETTINGS flood, garbage, HTTP/1": {
    ping_flood: fails(/^(INTERNAL|UNAVAILABLE|CANCELLED): /),
    settings_flood: fails(/^(INTERNAL|UNAVAILABLE|CANCELLED): /),
    garbage: fails(/^(INTERNAL|UNAVAILABLE|CANCELLED): /),
    http1: leftOut,
    http_500: fails(/^\w+: .*500/),
    html: fails(/^\w+: /),
  },
  "not protobuf": {
    not_protobuf: fails(/^INTERNAL: .*pars/),
    compressed: fails(/^\w+: /),
    no_message: fails(/^\w+: /),
    unknown_grpc_status: fails(/^\w+: odd/),
  },
  "empty message; no status (older runners)": {
    empty_message: succeeds(null),
    value_without_status: succeeds({ value: 0.5 }),
  },
  "unknown status code, failure status with a value": {
    unknown_code: fails(/^BANANA/),
    failure_with_value: fails(/^MODEL_FAILED/),
  },
  "invalid UTF-8 in string fields": { bad_utf8_in_code: fails(/^SUCCESS\ufffd/) },
  "invalid UTF-8 in JSON bytes": { bad_utf8_in_json: fails(/^BAD_TEXT|^BAD_UTF8|UTF-8/) },
  "JSON nested 1,000,000 deep": { deep_json: fails(/^(TOO_DEEP|TOO_LARGE)/) },
  '{"value": 999..(100,000 digits)}': { endless_number: fails(/^\w+: /), exponent_number: fails(/^NOT_FINITE: value/) },
  "bare NaN / Infinity in JSON": {
    bare_nan: fails(/^NOT_FINITE: (value\.)?x: NaN/),
    bare_infinity: fails(/^NOT_FINITE: value/),
    nan_double: fails(/^NOT_FINITE/),
  },
  "duplicate keys, BOM, __proto__, constructor": {
    duplicate_keys: succeeds({ value: 2 }),
    bom: fails(/^\w+: /),
    proto_key: fails(/^BAD_KEY: .*__proto__/),
    constructor_key: fails(/^BAD_KEY: .*constructor/),
    prototype_key: fails(/^BAD_KEY: .*prototype/),
  },
  "NUL or lone surrogate in a string": {
    nul_in_text: fails(/^BAD_TEXT: value/),
    lone_surrogate: fails(/^BAD_TEXT: value/),
  },
  "DOUBLE of 3 bytes, INT of 20, DOUBLE that is JSON, enum 99, ARROW": {
    short_double: fails(/^BAD_LENGTH: DOUBLE of 3 bytes/),
    long_int: fails(/^BAD_LENGTH: INT of 20 bytes/),
    double_that_is_json: fails(/^BAD_LENGTH: DOUBLE of 13 bytes/),
    unknown_type: fails(/^\w+: .*99/),
    arrow_garbage: fails(/^\w+: /),
    parquet_garbage: fails(/^\w+: /),
  },
  "INT where a number is expected": { int_for_number: succeeds(1) },
};
const expectations = Object.values(ROWS).flatMap((row) => Object.entries(row));

describe("every misbehaviour on the wire in one round with good models", () => {
  let bad: ChildProcess;
  let fleet: TestFleet;
  let announcer: Announcer;
  let client: FleetClient;
  let ports: Record<string, number>;
  let results: Map<string, CallResult[]>;
  let tookMs: number;
  let memoryMb: number;

  const round = (models: readonly string[]) =>
    client.callAll({
      calls: [{ method: "predict", kwargs: [{ keyword: "subject", type: "STRING", value: "good" }] }],
      models,
      deadlineMs: DEADLINE_MS,
    });

  beforeAll(async () => {
    bad = spawn(process.execPath, [fixture("run-bad-runners.ts")], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = await once(createInterface({ input: bad.stdout! }), "line");
    ports = JSON.parse(line as string) as Record<string, number>;
    fleet = await startTestFleet(GOOD.map((id) => ({ id, code: fixture("zoo.py") })));
    const addresses = await until(
      () => fleet.orchestrator.info().models.flatMap(({ address }) => (address === null ? [] : [address])),
      (found) => found.length === GOOD.length,
    );
    announcer = await startAnnouncer([
      ...Object.entries(ports).map(([name, port]) => entryOf(name, port)),
      ...GOOD.map((id, i) => entryOf(id, Number(addresses[i]!.split(":").at(-1)))),
    ]);
    client = await announcer.connect({
      maxConsecutiveFailures: 0,
      maxConsecutiveTimeouts: 0,
      connectTimeoutMs: 60_000,
    });
    await connected(client, [
      ...GOOD,
      ...expectations.filter(([, { status }]) => status !== "SKIPPED").map(([id]) => id),
    ]);
    await round(GOOD); // the first call of a process is slower
    const before = process.memoryUsage.rss();
    const begun = performance.now();
    results = await round([...GOOD, ...Object.keys(ports)]);
    tookMs = performance.now() - begun;
    memoryMb = (process.memoryUsage.rss() - before) / (1 << 20);
  });
  afterAll(async () => {
    await announcer?.[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
    bad?.kill("SIGKILL");
  });

  test("the table names every bad runner, and every one was there", () => {
    expect(expectations.map(([name]) => name).toSorted()).toEqual(Object.keys(ports).toSorted());
    expect(expectations.length).toBeGreaterThanOrEqual(33);
  });

  test("the round is over at its deadline, and the good models' answers know nothing of it", () => {
    expect(tookMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
    for (const id of GOOD)
      expect(results.get(id)).toMatchObject([{ status: "SUCCESS", output: { value: 0 }, detail: null }]);
    expect(memoryMb).toBeLessThan(300);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  describe.each(Object.entries(ROWS))("%s", (_row, expected) => {
    test.each(Object.entries(expected))("%s", (name, { status, detail, output = null }) => {
      const own = results.get(name);
      expect(own).toHaveLength(1);
      expect(own?.[0]).toMatchObject({ status, output });
      if (detail === null) expect(own?.[0]?.detail).toBeNull();
      else expect(own?.[0]?.detail).toMatch(detail);
      expect(own?.[0]?.detail?.length ?? 0).toBeLessThanOrEqual(500);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(own?.[0]?.detail ?? "").not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    });
  });

  test("a deployment told twice, news of an old one, a model named __proto__", async () => {
    const before = client.models().length;
    const address = client.models().find(({ modelId }) => modelId === "__proto__")?.address ?? "";
    const entry = entryOf("__proto__", Number(address.split(":").at(-1)));
    const old = { ...entry, deployment_id: "d-older" };
    announcer.announce([entry, entry]);
    announcer.server.publish(CRUNCH, [
      { ...old, state: "STOPPED" },
      { ...old, state: "RECOVERING" },
    ]);
    const results = await round(GOOD);
    expect(GOOD.map((id) => results.get(id)?.[0]?.status)).toEqual(GOOD.map(() => "SUCCESS"));
    expect(client.models()).toHaveLength(before);
  });

  test("a late answer lands in no later round; the good models go on", async () => {
    for (let i = 0; i < 3; i++) {
      const next = await round([...GOOD, "late", "empty_message", "ping_flood"]);
      for (const id of GOOD) expect(next.get(id)).toMatchObject([{ status: "SUCCESS", output: { value: 0 } }]);
      expect(next.get("late")?.[0]?.status).not.toBe("SUCCESS");
      expect(next.get("empty_message")).toMatchObject([{ status: "SUCCESS", output: null }]);
    }
  });
});
