import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { example, fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { CODE } from "../protocol/answer-code.ts";
import {
  type CallManyRequest,
  type CallManyResponse,
  type FleetAnswer,
  MODEL_STATE,
  type ModelStateMessage,
  type SetupOneRequest,
  type WatchResponse,
} from "../protocol/fleet-messages.ts";
import { callRequest, messageType, type StatusResponse, setupRequest } from "../protocol/messages.ts";
import { findInterpreters } from "./python.ts";
import { createRunner, type Runner } from "./runner.ts";

const request = messageType<CallManyRequest>("almanac.fleet.CallManyRequest");
const response = messageType<CallManyResponse>("almanac.fleet.CallManyResponse");
const watchResponse = messageType<WatchResponse>("almanac.fleet.WatchResponse");
const setupOne = messageType<SetupOneRequest>("almanac.fleet.SetupOneRequest");
const setupResponse = messageType<StatusResponse>("dynamic_subclass.SetupResponse");
const GOOD = Array.from({ length: 6 }, (_, i) => `good-${i}`);
const ZOO = ["zoo-0", "zoo-1", "zoo-2"];

const tick = callRequest("tick", [
  { type: "JSON", value: { candles_1m: [{ ts: 1, close: 2.5 }], pad: "x".repeat(3000) } },
]);
const ask = (subject: string) => callRequest("predict", [{ type: "STRING", value: subject }]);
const count = { call: ask("good"), key: "" };

describe("the fleet service", () => {
  let runner: Runner;
  let state: string;
  let client: Client;

  beforeAll(async () => {
    state = mkdtempSync(join(tmpdir(), "almanac-fleet-service-"));
    runner = await createRunner({
      host: "127.0.0.1",
      firstPort: 0,
      sandbox: "auto",
      interpreters: await findInterpreters("python3"),
      stateDir: state,
      logger: quiet,
      onChange: () => undefined,
    });
    const packages = [join(example(""), "..")];
    const model = (id: string, code: string) => ({
      deploymentId: id,
      modelId: id,
      version: "1",
      code,
      packages,
      trusted: true,
    });
    runner.apply([...GOOD, ...ZOO].map((id) => model(id, fixture("zoo.py"))));
    await until(
      () => runner.info().models,
      (seen) => seen.length === 9 && seen.every((each) => each.state === "RUNNING"),
    );
    client = new Client(`127.0.0.1:${runner.info().fleetPort}`, credentials.createInsecure());
    for (const id of [...GOOD, ...ZOO]) expect((await setup(id)).status?.code).toBe("SUCCESS");
  });
  afterAll(async () => {
    client?.close();
    await runner?.close();
    rmSync(state, { recursive: true, force: true });
  });

  const setup = (deployment: string) =>
    new Promise<StatusResponse>((resolve, reject) =>
      client.makeUnaryRequest(
        "/almanac.fleet.Fleet/Setup",
        setupOne.serialize,
        setupResponse.deserialize,
        { deployment, setup: setupRequest("tracker.TrackerBase") },
        (error, answer) => (error ? reject(error) : resolve(answer as StatusResponse)),
      ),
    );

  const open = (wanted: Partial<CallManyRequest> & { to: readonly string[] }) => {
    const targets = wanted.to.map((deployment) => ({ deployment, calls: [], deadline_ms: 0 }));
    return client.makeServerStreamRequest("/almanac.fleet.Fleet/CallMany", request.serialize, response.deserialize, {
      round_id: "",
      calls: [count],
      deadline_ms: 20_000,
      flush_ms: 0,
      stop_on_failure: false,
      targets,
      ...wanted,
    });
  };
  const call = (wanted: Partial<CallManyRequest> & { to: readonly string[] }) =>
    new Promise<FleetAnswer[]>((resolve, reject) => {
      const got: FleetAnswer[] = [];
      const stream = open(wanted);
      stream.on("data", ({ answers }: CallManyResponse) => got.push(...answers));
      stream.on("end", () => resolve(got));
      stream.on("error", reject);
    });
  const predicted = ({ value }: FleetAnswer) =>
    (JSON.parse(Buffer.from(value?.value ?? []).toString()) as { value: number }).value;
  const codes = (answers: readonly FleetAnswer[], target: number) =>
    answers
      .filter((answer) => answer.target === target)
      .toSorted((a, b) => a.call - b.call)
      .map(({ code }) => code);

  test("every (model, call) is answered once, in the order of the calls", async () => {
    const answers = await call({ to: GOOD, calls: [{ call: tick, key: "" }, count, { call: tick, key: "" }, count] });
    expect(answers).toHaveLength(GOOD.length * 4);
    for (const [target] of GOOD.entries()) {
      expect(codes(answers, target)).toEqual([CODE.OK, CODE.OK, CODE.OK, CODE.OK]);
      const [first, second] = [1, 3].map((index) => answers.find((a) => a.target === target && a.call === index)!);
      expect(predicted(second!) - predicted(first!)).toBe(1);
      expect(first).toMatchObject({ incarnation: expect.anything(), run_us: expect.any(Number) });
    }
  });

  test("the same round again calls nobody: the first answers are repeated, also to a second coordinator that comes meanwhile", async () => {
    const round = { to: GOOD, round_id: "round/a/1", calls: [{ call: tick, key: "" }, count] };
    const [first, joined] = await Promise.all([call(round), call(round)]);
    const again = await call(round);
    const values = (answers: FleetAnswer[]) =>
      GOOD.map((_id, target) => predicted(answers.find((a) => a.target === target && a.call === 1)!));
    expect(values(joined)).toEqual(values(first));
    expect(values(again)).toEqual(values(first));
    const next = await call({ ...round, round_id: "round/a/2" });
    expect(values(next)).toEqual(values(first).map((value) => value + 1));
  });

  test("a coordinator that goes away in the middle finds the answers when it comes back", async () => {
    const round = { to: ["zoo-0"], round_id: "round/b/1", calls: [{ call: ask("slow"), key: "" }, count] };
    const stream = open(round);
    stream.on("error", () => undefined);
    await sleep(200);
    stream.cancel();
    const answers = await call(round);
    expect(codes(answers, 0)).toEqual([CODE.OK, CODE.OK]);
    expect(answers[0]?.run_us).toBeGreaterThan(500_000);
    expect(answers[0]?.incarnation).toEqual(answers[1]?.incarnation);
  });

  test("a model is spared the call whose key it was given last", async () => {
    const calls = [{ call: tick, key: "t1" }, count];
    const first = await call({ to: ["good-0"], calls });
    const again = await call({ to: ["good-0"], calls });
    expect(codes(again, 0)).toEqual([CODE.ALREADY_DELIVERED, CODE.OK]);
    expect(predicted(again[1]!)).toBe(predicted(first[1]!));
  });

  test("one model's deadline, fault or absence is its own", async () => {
    const targets = [...GOOD, "zoo-0", "zoo-1", "nobody"].map((deployment) => ({
      deployment,
      calls: deployment === "zoo-0" ? [1] : deployment === "zoo-1" ? [2] : [0],
      deadline_ms: deployment === "zoo-0" ? 400 : 0,
    }));
    const answers = await call({
      to: [],
      targets,
      calls: [count, { call: ask("hang"), key: "" }, { call: ask("exit"), key: "" }],
    });
    expect(answers).toHaveLength(targets.length);
    expect(GOOD.map((_id, target) => codes(answers, target))).toEqual(GOOD.map(() => [CODE.OK]));
    expect([6, 7, 8].map((target) => codes(answers, target))).toEqual([[CODE.TIMEOUT], [CODE.DIED], [CODE.NO_MODEL]]);
    await until(
      () => runner.info().models,
      (seen) => seen.every((each) => each.state === "RUNNING"),
    );
  });

  test("a failed call stops the later ones where that is wanted", async () => {
    const calls = [{ call: ask("raise"), key: "" }, count];
    expect(codes(await call({ to: ["zoo-2"], calls, stop_on_failure: true }), 0)).toEqual([CODE.FAILED, CODE.SKIPPED]);
    expect(codes(await call({ to: ["zoo-2"], calls }), 0)).toEqual([CODE.FAILED, CODE.OK]);
  });

  test("a cancelled stream harms no model", async () => {
    const before = runner.info().models.map(({ incarnation }) => incarnation);
    const stream = open({ to: GOOD, calls: [{ call: ask("slow"), key: "" }] });
    stream.on("error", () => undefined);
    await sleep(50);
    stream.cancel();
    expect((await call({ to: GOOD })).every(({ code }) => code === CODE.OK)).toBe(true);
    expect(runner.info().models.map(({ incarnation }) => incarnation)).toEqual(before);
  });

  test("many large answers reach a slow reader whole", async () => {
    const calls = Array.from({ length: 4 }, () => ({ call: ask("two_megabytes"), key: "" }));
    const stream = open({ to: GOOD, calls });
    stream.pause();
    await sleep(500);
    const got = await new Promise<FleetAnswer[]>((resolve, reject) => {
      const all: FleetAnswer[] = [];
      stream.on("data", ({ answers }: CallManyResponse) => all.push(...answers));
      stream.on("end", () => resolve(all));
      stream.on("error", reject);
      stream.resume();
    });
    expect(got.map(({ code, value }) => [code, (value?.value.length ?? 0) > 2 << 20])).toEqual(
      Array.from({ length: 24 }, () => [CODE.OK, true]),
    );
  });

  test.each([
    ["no calls", { to: GOOD, calls: [] }, /0 calls, 1 to 64/],
    [
      "a call that is not there",
      { to: [], targets: [{ deployment: "a", calls: [7], deadline_ms: 0 }] },
      /targets\[0\] names a call/,
    ],
    [
      "a name without end",
      { to: GOOD, calls: [{ call: callRequest("x".repeat(300)), key: "" }] },
      /calls\[0\]: a name longer/,
    ],
    [
      "a type of the runner's own",
      {
        to: GOOD,
        calls: [
          {
            call: { ...tick, methodArguments: [{ position: 1, data: { type: 7, value: Buffer.from("N") } }] },
            key: "",
          },
        ],
      },
      /calls\[0\]: Unsupported data type: 7/,
    ],
    ["an empty call", { to: GOOD, calls: [{ key: "" }] }, /calls\[0\] holds no call/],
  ])("%s is refused with the reason", async (_name, wanted, message) => {
    const refused = await call(wanted).catch((error: ServiceError) => error.details);
    expect(refused).toMatch(message);
    expect((await call({ to: GOOD })).every(({ code }) => code === CODE.OK)).toBe(true);
  });

  test("an empty round ends at once; a stranger cannot be set up", async () => {
    expect(await call({ to: [] })).toEqual([]);
    await expect(setup("nobody")).rejects.toThrow(/no deployment nobody/);
  });

  test("tells who watches of all models, then of each that changes, and of its loss", async () => {
    const seen: ModelStateMessage[] = [];
    const stream = client.makeServerStreamRequest(
      "/almanac.fleet.Fleet/Watch",
      () => Buffer.alloc(0),
      watchResponse.deserialize,
      {},
    );
    stream.on("data", ({ models }: WatchResponse) => seen.push(...models));
    stream.on("error", () => undefined);
    const of = (deployment: string) => seen.filter((each) => each.deployment === deployment);
    await until(
      () => seen.length,
      (count) => count === 9,
    );
    expect(seen.every(({ state, why }) => state === MODEL_STATE.RUNNING && why === "")).toBe(true);
    const before = of("zoo-2")[0]!.incarnation;
    runner.restart("zoo-2", "was restarted by a test");
    await until(
      () => of("zoo-2").at(-1),
      (last) => last?.state === MODEL_STATE.RUNNING && last.incarnation === before + 1,
    );
    expect(of("zoo-2")[1]).toMatchObject({ state: MODEL_STATE.DOWN, why: expect.stringContaining("by a test") });
    expect(of("good-0")).toHaveLength(1);
    stream.cancel();
  });
});
