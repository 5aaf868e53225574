import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { grpcFrame } from "../fixtures/bad-answers.ts";
import { type Behave, endAll, failure, HEADERS, open, reply, request, serve } from "../fixtures/http2-runner.ts";
import { until } from "../fixtures/test-fleet.ts";
import { CallAborted, type StreamRequest } from "./runner-channel.ts";

afterEach(endAll);

const MAX = 64 << 10;
/** What a runner that behaves so is heard to say, and how it ends. */
async function heard(behave: Behave, more: Partial<StreamRequest<string>> = {}) {
  const runner = await serve(behave);
  const messages: string[] = [];
  const channel = open(runner.address, { "grpc.max_receive_message_length": MAX });
  const end = channel.follow({ ...request(), onMessage: (message) => messages.push(message), ...more }).then(
    () => "OK",
    (error) => error,
  );
  return { messages, end: await end };
}
const frames = (texts: readonly string[]): Buffer => Buffer.concat(texts.map((text) => grpcFrame(Buffer.from(text))));
/** Begins an answer, and ends it when `say` is through. */
const says =
  (say: (write: (bytes: Buffer) => void) => Promise<void>, trailers: object = { "grpc-status": "0" }): Behave =>
  async (stream) => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
    await say((bytes) => stream.write(bytes));
    stream.end();
  };

describe("many answers to one call", () => {
  const TEXTS = ["one", "", "three", "x".repeat(MAX), "five"];

  test("come one after the other, however they are cut", async () => {
    const whole = frames(TEXTS);
    expect(await heard((stream) => reply(stream, [whole]))).toEqual({ messages: TEXTS, end: "OK" });
    for (const size of [1000, 65_539]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
        whole.subarray(i * size, (i + 1) * size),
      );
      const cut = says(async (write) => {
        for (const piece of pieces) {
          write(piece);
          await sleep(1);
        }
      });
      expect(await heard(cut)).toEqual({ messages: TEXTS, end: "OK" });
    }
    const few = frames(["a", "", "b"]);
    const drip = says(async (write) => {
      for (const byte of few) {
        write(Buffer.of(byte));
        await sleep(2);
      }
    });
    expect(await heard(drip)).toEqual({ messages: ["a", "", "b"], end: "OK" });
  });

  test("are heard at once, not at the end", async () => {
    const times: number[] = [];
    const slow = says(async (write) => {
      write(frames(["now"]));
      await sleep(300);
    });
    const begun = Date.now();
    await heard(slow, { onMessage: () => times.push(Date.now() - begun) });
    expect(Date.now() - begun).toBeGreaterThanOrEqual(300);
    expect(times).toHaveLength(1);
    expect(times[0]).toBeLessThan(250);
  });

  test("may be none", async () => {
    expect(await heard((stream) => reply(stream, []))).toEqual({ messages: [], end: "OK" });
  });

  test("those before a failure count", async () => {
    const { messages, end } = await heard((stream) =>
      reply(stream, [frames(["a", "b"])], { "grpc-status": "8", "grpc-message": "no%20more" }),
    );
    expect(messages).toEqual(["a", "b"]);
    expect(end).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: "no more" });
  });

  test.each<[string, Buffer, number, RegExp]>([
    ["a message that is cut off", frames(["good", "cut"]).subarray(0, -1), status.INTERNAL, /cut off/],
    ["the beginning of a message", frames(["good", "cut"]).subarray(0, -6), status.INTERNAL, /cut off/],
    [
      "a length above the limit",
      Buffer.concat([frames(["good"]), grpcFrame(Buffer.from("x"), MAX + 1)]),
      status.RESOURCE_EXHAUSTED,
      /larger than max/,
    ],
    ["a packed message", Buffer.concat([frames(["good"]), Buffer.of(1, 0, 0, 0, 1, 7)]), status.INTERNAL, /compressed/],
  ])("%s ends it, with what was good before", async (_name, bytes, code, why) => {
    const { messages, end } = await heard((stream) => reply(stream, [bytes]));
    expect(messages).toEqual(["good"]);
    expect(end).toMatchObject({ code, details: expect.stringMatching(why) });
  });

  test("one that cannot be parsed ends it", async () => {
    const parse = (bytes: Buffer): string => {
      if (bytes.length === 3) throw new Error("not today");
      return String(bytes);
    };
    const { messages, end } = await heard((stream) => reply(stream, [frames(["good", "bad", "late"])]), { parse });
    expect(messages).toEqual(["good"]);
    expect(end).toMatchObject({ code: status.INTERNAL, details: expect.stringContaining("not today") });
  });

  test.each<[string, Behave, number]>([
    ["resets the stream", (stream) => stream.close(7), status.UNAVAILABLE],
    ["ends without a status", (stream) => reply(stream, [], {}), status.INTERNAL],
    ["hangs up", (stream) => stream.session?.destroy(), status.UNAVAILABLE],
    [
      "refuses the call",
      (stream) => stream.respond({ ...HEADERS, "grpc-status": "3", "grpc-message": "no" }, { endStream: true }),
      status.INVALID_ARGUMENT,
    ],
  ])("a runner that %s", async (_name, behave, code) => {
    expect(await heard(behave)).toMatchObject({ messages: [], end: { code } });
  });

  test("the deadline, or who gives up, ends it and resets the stream; nothing is heard afterwards", async () => {
    const codes: number[] = [];
    const endless: Behave = (stream) => {
      stream.respond(HEADERS, { waitForTrailers: true });
      const timer = setInterval(() => stream.write(frames(["again"])), 10);
      stream.on("close", () => {
        clearInterval(timer);
        codes.push(stream.rstCode ?? -1);
      });
    };
    const late = await heard(endless, { deadlineAt: Date.now() + 200 });
    expect(late.end).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    const left = await heard(endless, { signal: controller.signal });
    expect(left.end).toBeInstanceOf(CallAborted);
    const counts = [late.messages.length, left.messages.length];
    expect(Math.min(...counts)).toBeGreaterThan(0);
    await until(
      () => codes,
      (seen) => seen.length === 2,
    );
    await sleep(100);
    expect([late.messages.length, left.messages.length]).toEqual(counts);
    expect(codes).toEqual([8, 8]);
  });

  test("with nobody there it is UNAVAILABLE", async () => {
    const gone = await serve(() => undefined);
    await gone.close();
    const channel = open(gone.address);
    expect((await failure(channel.follow({ ...request(), onMessage: () => undefined }))).code).toBe(status.UNAVAILABLE);
  });
});
