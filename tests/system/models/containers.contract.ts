import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixture, until } from "../../../models/fixtures/test-fleet.ts";
import { CODE } from "../../../models/protocol/answer-code.ts";
import { readJson } from "../../../models/protocol/json-read.ts";
import { encodeVariant } from "../../../models/protocol/variant.ts";
import type { Answer, HostCall } from "../../../models/runner/frames.ts";
import type { ModelHost } from "../../../models/runner/model-host.ts";

/** A way to run models' hosts. */
export interface BackEnd extends AsyncDisposable {
  /** A host for this .py file, just started. */
  host(code: string): Promise<ModelHost>;
}
export const INSIDE_MODEL = `${import.meta.dirname}/inside.py`;
const ZOO = fixture("zoo.py");
const WITHIN_MS = 30_000;
const FLOOD_BYTES = 256 << 20;

const setup: HostCall = { name: "tracker.TrackerBase", args: [], kwargs: [] };
const predict = (subject: string): HostCall => ({
  name: "predict",
  args: [encodeVariant("STRING", subject)],
  kwargs: [],
});

export const ready = (host: ModelHost): Promise<unknown> =>
  until(
    () => [host.state(), host.reason(), host.log.text().slice(-500)],
    ([state]) => state === "READY",
    WITHIN_MS,
  );
async function setUp(host: ModelHost): Promise<void> {
  const [answer] = await host.run("SETUP", [setup], WITHIN_MS);
  expect([answer?.code, answer?.value.toString()]).toEqual([CODE.OK, "Instance created successfully"]);
}
/** Starts, sets up, and hands over. */
export async function prepared(starting: Promise<ModelHost>): Promise<ModelHost> {
  const host = await starting;
  await ready(host);
  await setUp(host);
  return host;
}
export async function ask(host: ModelHost, subject: string, timeoutMs = WITHIN_MS): Promise<Answer> {
  const [answer] = await host.run("BATCH", [predict(subject)], timeoutMs);
  return answer!;
}
const value = (answer: Answer): unknown => {
  expect(answer.code, answer.value.toString("utf8").slice(0, 300)).toBe(CODE.OK);
  return readJson(answer.value);
};
export const look = async <T>(host: ModelHost, subject: string): Promise<T> => value(await ask(host, subject)) as T;

/** What every back end owes to the runner. */
export function hostContract(name: string, open: () => Promise<BackEnd>): void {
  describe(`hosts of models by ${name}`, () => {
    let backEnd: BackEnd;
    const open_hosts: ModelHost[] = [];
    const start = async (code: string): Promise<ModelHost> => {
      const host = await backEnd.host(code);
      open_hosts.push(host);
      return host;
    };
    beforeAll(async () => {
      backEnd = await open();
    });
    afterAll(async () => {
      await Promise.all(open_hosts.map((host) => host.stop()));
      await backEnd?.[Symbol.asyncDispose]();
    });

    test("greet, are set up, answer, rest and are set up again", async () => {
      const host = await start(ZOO);
      await ready(host);
      expect((await ask(host, "good")).code).toBe(CODE.NOT_SET_UP);
      await setUp(host);
      const tick: HostCall = { name: "tick", args: [encodeVariant("JSON", {})], kwargs: [] };
      const [, answer] = await host.run("BATCH", [tick, predict("good")], WITHIN_MS);
      expect(value(answer!)).toEqual({ value: 1 });
      expect((await host.run("REST", [{ name: "", args: [], kwargs: [] }], WITHIN_MS))[0]?.code).toBe(CODE.OK);
      expect((await ask(host, "good")).code).toBe(CODE.NOT_SET_UP);
      await setUp(host);
      expect(value(await ask(host, "good"))).toEqual({ value: 0 });
      expect(host.incarnation()).toBe(1);
    });

    test("show the model a read-only world without a network", async () => {
      const host = await prepared(start(ZOO));
      const seen = await look<{ interfaces: string[] }>(host, "inside");
      expect(seen).toMatchObject({ shadow: false, home: false, write_code: false, write_usr: false });
      expect(seen.interfaces.filter((each) => each !== "lo")).toEqual([]);
    });

    test("bound memory, processes and files, each so that the author can read it", async () => {
      const host = await prepared(start(ZOO));
      const memory = await ask(host, "memory");
      expect([memory.code, memory.value.toString()]).toEqual([
        CODE.FAILED,
        expect.stringMatching(/raised an exception/),
      ]);
      expect((await look<{ forks: number }>(host, "forks")).forks).toBeLessThan(130);
      const inside = await prepared(start(INSIDE_MODEL));
      const { mebibytes } = await look<{ mebibytes: number }>(inside, "fill_tmp");
      expect(mebibytes).toBeGreaterThan(40);
      expect(mebibytes).toBeLessThanOrEqual(64);
    });

    test("are ended at the deadline, started again, and set up again by the runner", async () => {
      const host = await prepared(start(ZOO));
      expect((await ask(host, "hang", 500)).code).toBe(CODE.TIMEOUT);
      expect(host.incarnation()).toBe(2);
      await ready(host);
      expect(value(await ask(host, "good"))).toEqual({ value: 0 });
    });

    test("say how they ended, after the last words", async () => {
      const host = await prepared(start(INSIDE_MODEL));
      const answer = await ask(host, "last_words");
      expect([answer.code, answer.value.toString()]).toEqual([CODE.DIED, "the model's process exited with 7"]);
      await until(
        () => host.log.text(),
        (text) => text.includes("last words"),
      );
      await ready(host);
      expect(value(await ask(host, "good"))).toEqual({ value: 1 });
    });

    test("notice a closed channel and a frame above the limit", async () => {
      const host = await prepared(start(ZOO));
      const closed = await ask(host, "close_pipe");
      expect([closed.code, closed.value.toString()]).toEqual([CODE.DIED, expect.stringMatching(/closed its pipe/)]);
      await ready(host);
      const oversize = await ask(host, "raw_frame");
      expect([oversize.code, oversize.value.toString()]).toEqual([
        CODE.PROTOCOL,
        expect.stringMatching(/52428800 bytes/),
      ]);
      await ready(host);
      expect(value(await ask(host, "good"))).toEqual({ value: 0 });
    });

    test("keep what is printed apart from answers, and one model's apart from another's", async () => {
      const [zoo, inside] = await Promise.all([prepared(start(ZOO)), prepared(start(INSIDE_MODEL))]);
      expect(value(await ask(zoo, "prints"))).toEqual({ value: 1 });
      expect(value(await ask(inside, "whisper"))).toEqual({ value: 2 });
      await until(
        () => [zoo.log.text(), inside.log.text()],
        ([a, b]) => /hello/.test(a!) && /out of inside/.test(b!) && /error of inside/.test(b!),
      );
      expect(zoo.log.text()).not.toContain("inside");
      expect(inside.log.text()).not.toContain("hello");
    });

    test("let a flood of output wait instead of reading it all", async () => {
      const host = await prepared(start(ZOO));
      const before = process.cpuUsage();
      expect((await ask(host, "flood", 2_000)).code).toBe(CODE.TIMEOUT);
      const { user, system } = process.cpuUsage(before);
      expect(host.log.text().length).toBeLessThanOrEqual(256 << 10);
      expect(host.log.droppedBytes()).toBeGreaterThan(0);
      expect(host.log.droppedBytes()).toBeLessThan(FLOOD_BYTES / 8);
      expect((user + system) / 1e6).toBeLessThan(1.5);
      await ready(host);
      expect(value(await ask(host, "good"))).toEqual({ value: 0 });
    });

    test("stop at once while the model is busy, and stay stopped", async () => {
      const host = await prepared(start(ZOO));
      const busy = ask(host, "spin");
      await host.stop();
      expect((await busy).code).toBe(CODE.NOT_READY);
      expect([host.state(), (await ask(host, "good")).code]).toEqual(["STOPPED", CODE.NOT_READY]);
    });
  });
}
