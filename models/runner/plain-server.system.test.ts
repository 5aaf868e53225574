import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync, gzipSync } from "node:zlib";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { type CallRequest, DYNAMIC_SUBCLASS, HEALTH, service } from "../protocol/messages.ts";
import { createPlainServer } from "./plain-server.ts";
import { type Follower, followed, type Method, type RpcServer, unary } from "./rpc.ts";

const MAX = 64 << 10;
const CALL = `/${DYNAMIC_SUBCLASS}/Call`;
const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

const followers: Follower[] = [];
const METHODS: readonly Method[] = [
  unary<CallRequest>(DYNAMIC_SUBCLASS, "Call", async ({ methodName }, deadlineAt) => {
    if (methodName === "slow") await sleep(300);
    if (methodName === "throw") throw new Error("a fault of the server");
    if (methodName === "refuse")
      return { error: { code: status.UNAVAILABLE, details: "müde, 100 %" }, trailer: { n: "7" } };
    const message =
      methodName === "large" ? "x".repeat(2 * MAX) : `${methodName} ${Math.round(deadlineAt - Date.now())}`;
    return { response: { status: { code: "SUCCESS", message } }, trailer: { n: "1" } };
  }),
  followed(HEALTH, "Watch", (_request, follower) => {
    followers.push(follower);
    follower.send({ status: 1 });
  }),
];
async function start(address = "127.0.0.1:0"): Promise<{ server: RpcServer; port: number }> {
  const server = createPlainServer(METHODS, { receive: MAX, send: MAX });
  ending.push(server.close);
  return { server, port: await server.listen(address) };
}

const { requestSerialize, responseDeserialize } = service(DYNAMIC_SUBCLASS).Call!;
const bytesOf = (methodName: string): Buffer => requestSerialize({ methodName });
const frame = (message: Buffer, flag = 0): Buffer => {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

interface Answer {
  readonly http: unknown;
  readonly code: number;
  readonly message: string;
  readonly text?: string;
}
/** One raw call: what a peer could send that no library would. */
async function raw(port: number, body: Buffer | readonly Buffer[], headers: object = {}, ends = true): Promise<Answer> {
  const session = open(port);
  const stream = session.request({
    ":method": "POST",
    ":path": CALL,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const chunks: Buffer[] = [];
  let told: Record<string, unknown> = {};
  let http: unknown;
  stream.on("response", (first) => {
    http = first[":status"];
    told = { ...told, ...first };
  });
  stream.on("trailers", (last) => {
    told = { ...told, ...last };
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
  const closed = new Promise((resolve) => stream.on("close", resolve));
  for (const part of Array.isArray(body) ? body : [body]) {
    if (stream.writable) stream.write(part);
    await sleep(5);
  }
  if (ends) stream.end();
  await closed;
  const whole = Buffer.concat(chunks);
  const text =
    whole.length > 5
      ? (responseDeserialize(whole.subarray(5)) as { status: { message: string } }).status.message
      : undefined;
  const message = decodeURIComponent(String(told["grpc-message"] ?? ""));
  return { http, code: Number(told["grpc-status"] ?? -1), message, ...(text === undefined ? {} : { text }) };
}
function open(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`).on("error", () => undefined);
  ending.push(() => session.destroy());
  return session;
}

describe("what is sent", () => {
  test.each([
    ["as it is", "identity", (bytes: Buffer) => frame(bytes)],
    ["without saying how", undefined, (bytes: Buffer) => frame(bytes)],
    ["packed by gzip", "gzip", (bytes: Buffer) => frame(gzipSync(bytes), 1)],
    ["packed by deflate", "deflate", (bytes: Buffer) => frame(deflateSync(bytes), 1)],
    ["not packed, though it could be", "gzip", (bytes: Buffer) => frame(bytes)],
  ])("%s, is read", async (_name, encoding, make) => {
    const { port } = await start();
    const answer = await raw(port, make(bytesOf("hello")), encoding ? { "grpc-encoding": encoding } : {});
    expect(answer).toMatchObject({ http: 200, code: status.OK });
    expect(answer.text).toMatch(/^hello /);
  });

  test("byte by byte, is put together", async () => {
    const { port } = await start();
    const whole = frame(bytesOf("hello"));
    const parts = [...whole].map((byte) => Buffer.of(byte));
    expect((await raw(port, parts)).text).toMatch(/^hello /);
  });

  const tooLong = Buffer.from([0, 0, 0x10, 0, 0, 1, 2, 3]);
  test.each<[string, Buffer, object, number, RegExp]>([
    ["nothing", Buffer.alloc(0), {}, status.INTERNAL, /no message/],
    ["half a head", Buffer.alloc(3), {}, status.INTERNAL, /no message/],
    ["less than announced", frame(bytesOf("hello")).subarray(0, -1), {}, status.INTERNAL, /cut off/],
    [
      "two messages",
      Buffer.concat([frame(bytesOf("a")), frame(bytesOf("b"))]),
      {},
      status.UNIMPLEMENTED,
      /more than one/,
    ],
    ["what is no message", frame(Buffer.from([0xff, 0xff, 0xff])), {}, status.INTERNAL, /deserializing/],
    [
      "what is packed in no known way",
      frame(Buffer.from("x"), 1),
      { "grpc-encoding": "br" },
      status.UNIMPLEMENTED,
      /br/,
    ],
    [
      "what says it is packed, and is not",
      frame(bytesOf("a"), 1),
      { "grpc-encoding": "gzip" },
      status.INTERNAL,
      /unpacked/,
    ],
    [
      "packed, to a hundred megabytes",
      frame(gzipSync(Buffer.alloc(100 << 20)), 1),
      { "grpc-encoding": "gzip" },
      status.RESOURCE_EXHAUSTED,
      /larger than max/,
    ],
    ["a time that is none", frame(bytesOf("a")), { "grpc-timeout": "soon" }, status.INTERNAL, /grpc-timeout/],
    [
      "to a method that is not there",
      frame(bytesOf("a")),
      { ":path": "/no.Such/Method" },
      status.UNIMPLEMENTED,
      /\/no\.Such\/Method/,
    ],
  ])("%s, is refused with a reason, and the next one is served", async (_name, body, headers, code, reason) => {
    const { port } = await start();
    const answer = await raw(port, body, headers);
    expect(answer).toMatchObject({ http: 200, code });
    expect(answer.message).toMatch(reason);
    expect((await raw(port, frame(bytesOf("hello")))).code).toBe(status.OK);
  });

  test("above the limit, is refused at once, before it has come", async () => {
    const { port } = await start();
    const answer = await raw(port, tooLong, {}, false);
    expect(answer).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(answer.message).toBe(`Received message larger than max (${0x100000} vs ${MAX})`);
  });

  test("and never ends, holds no place among the calls at work", async () => {
    const { port } = await start();
    const session = open(port);
    const head = { ":method": "POST", "content-type": "application/grpc" };
    const ask = (path: string, body: Buffer) => {
      const stream = session.request({ ...head, ":path": path });
      stream.on("error", () => undefined).write(body);
      return new Promise<unknown>((resolve) => stream.on("response", (told) => resolve(told["grpc-status"])));
    };
    for (let i = 0; i < 40; i++) expect(await ask("/no.Such/Method", Buffer.alloc(100))).toBe("12");
    for (let i = 0; i < 40; i++) expect(await ask(CALL, tooLong)).toBe("8");
    const last = session.request({ ...head, ":path": CALL });
    const trailers = new Promise<unknown>((resolve) => last.on("trailers", (told) => resolve(told["grpc-status"])));
    last.resume().end(frame(bytesOf("hello")));
    expect(await trailers).toBe("0");
  });

  test("by who speaks something else, is told so", async () => {
    const { port } = await start();
    expect((await raw(port, Buffer.from("{}"), { "content-type": "application/json" })).http).toBe(415);
    const socket = connectSocket(port, "127.0.0.1").on("error", () => undefined);
    socket.end("GET / HTTP/1.1\r\n\r\n");
    await new Promise((resolve) => socket.on("close", resolve).resume());
    expect((await raw(port, frame(bytesOf("hello")))).code).toBe(status.OK);
  });
});

describe("what is answered", () => {
  const clientOf = (address: string) => {
    const client = new Client(address, credentials.createInsecure());
    ending.push(() => client.close());
    return client;
  };
  const ask = (client: Client, methodName: string, deadline?: number) =>
    new Promise<{ error: { code: number; details: string } | null; text: string | undefined; n: unknown }>(
      (resolve) => {
        let n: unknown;
        client
          .makeUnaryRequest(
            CALL,
            requestSerialize,
            responseDeserialize,
            { methodName },
            deadline === undefined ? {} : { deadline: Date.now() + deadline },
            (error, answer) => {
              const text = (answer as { status: { message: string } } | undefined)?.status.message;
              setImmediate(() => resolve({ error, text, n }));
            },
          )
          .on("status", ({ metadata }) => {
            n = metadata.get("n")[0];
          });
      },
    );

  test("comes with its metadata, knows the caller's deadline, and a refusal keeps every letter", async () => {
    const { port } = await start();
    const client = clientOf(`127.0.0.1:${port}`);
    const { text, n } = await ask(client, "hello", 5000);
    expect(n).toBe("1");
    expect(Number(text?.split(" ")[1])).toBeGreaterThan(4000);
    expect(Number(text?.split(" ")[1])).toBeLessThanOrEqual(5000);
    expect((await ask(client, "hello")).text).toBe("hello Infinity");
    expect(await ask(client, "refuse")).toMatchObject({
      error: { code: status.UNAVAILABLE, details: "müde, 100 %" },
      n: "7",
    });
  });

  test("above the limit, or thrown, is an error of that call alone", async () => {
    const { port } = await start();
    const client = clientOf(`127.0.0.1:${port}`);
    const [large, thrown, good] = await Promise.all(["large", "throw", "hello"].map((name) => ask(client, name)));
    expect(large?.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(thrown?.error).toMatchObject({ code: status.INTERNAL, details: "The call failed: a fault of the server" });
    expect(good?.error).toBeNull();
  });

  test("who leaves in the middle is no loss for others", async () => {
    const { port } = await start();
    const session = open(port);
    for (let i = 0; i < 10; i++) {
      const stream = session.request({ ":method": "POST", ":path": CALL, "content-type": "application/grpc" });
      stream.on("error", () => undefined).end(frame(bytesOf("slow")));
    }
    await sleep(50);
    session.destroy();
    const half = open(port).request({ ":method": "POST", ":path": CALL, "content-type": "application/grpc" });
    half.on("error", () => undefined).write(frame(bytesOf("hello")).subarray(0, 4));
    await sleep(20);
    half.close(8);
    await sleep(400);
    expect((await raw(port, frame(bytesOf("hello")))).code).toBe(status.OK);
  });

  test("is still sent while the server drains; followers are let go, and nobody new is taken", async () => {
    const { server, port } = await start();
    const client = clientOf(`127.0.0.1:${port}`);
    const { path, requestSerialize: write, responseDeserialize: read } = service(HEALTH).Watch!;
    const seen: unknown[] = [];
    const over = new Promise<number>((resolve) =>
      client
        .makeServerStreamRequest(path, write, read, { service: "" })
        .on("data", (health: { status: number }) => seen.push(health.status))
        .on("status", ({ code }) => resolve(code)),
    );
    while (seen.length === 0) await sleep(10);
    const slow = ask(client, "slow");
    await sleep(50);
    const drained = server.drain();
    for (const follower of followers.splice(0)) follower.end();
    expect(await over).toBe(status.OK);
    expect((await slow).text).toMatch(/^slow /);
    await drained;
    expect((await ask(client, "hello", 1000)).error?.code).toBe(status.UNAVAILABLE);
  });

  test.each(["localhost:0", "[::1]:0", "0.0.0.0:0"])("at %s", async (address) => {
    const { port } = await start(address);
    const own = address.startsWith("0.0.0.0") ? "127.0.0.1" : address.replace(/:0$/, "");
    expect((await ask(clientOf(`${own}:${port}`), "hello")).error).toBeNull();
  });

  test("at a Unix socket, and not twice at one port", async () => {
    const folder = mkdtempSync(join(tmpdir(), "almanac-plain-"));
    ending.push(() => rmSync(folder, { recursive: true, force: true }));
    const address = `unix:${join(folder, "s")}`;
    expect((await start(address)).port).toBe(0);
    expect((await ask(clientOf(address), "hello")).error).toBeNull();
    const { port } = await start();
    await expect(start(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
