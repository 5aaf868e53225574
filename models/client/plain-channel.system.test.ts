import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { grpcFrame } from "../fixtures/bad-answers.ts";
import { until } from "../fixtures/test-fleet.ts";
import { CHANNEL } from "./channel.ts";
import { plainChannel } from "./plain-channel.ts";
import { CallAborted, type RunnerChannel, type UnaryRequest } from "./runner-channel.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

type Behave = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;
interface TestRunner {
  readonly address: string;
  readonly sessions: Set<ServerHttp2Session>;
  /** of all connections, also of those that are over */
  count(): number;
  close(): Promise<void>;
}
async function serve(behave: Behave, listen: object = { port: 0, host: "127.0.0.1" }): Promise<TestRunner> {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => undefined));
  });
  server.on("session", (session) => {
    count++;
    sessions.add(session);
    session.on("close", () => sessions.delete(session)).on("error", () => undefined);
  });
  server.on("stream", (stream, headers) =>
    behave(
      stream.on("error", () => undefined),
      headers,
    ),
  );
  server.listen(listen);
  await once(server, "listening");
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  ending.push(close);
  const where = server.address() as AddressInfo | string;
  const host = (at: AddressInfo) => (at.family === "IPv6" ? `[${at.address}]` : at.address);
  const address = typeof where === "string" ? `unix:${where}` : `${host(where)}:${where.port}`;
  return { address, sessions, count: () => count, close };
}
function open(address: string, options: object = {}): RunnerChannel {
  const channel = plainChannel(address, { ...CHANNEL, ...options });
  ending.push(() => channel.close());
  return channel;
}

const HEADERS = { ":status": 200, "content-type": "application/grpc" };
function reply(stream: ServerHttp2Stream, parts: Buffer[], trailers: Record<string, string> = { "grpc-status": "0" }) {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const part of parts) stream.write(part);
  stream.end();
}
const echo: Behave = (stream) => {
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part)).on("end", () => reply(stream, [Buffer.concat(parts)]));
};
const request = (text = "hello", more: Partial<UnaryRequest<string>> = {}): UnaryRequest<string> => ({
  path: "/package.Service/Method",
  bytes: Buffer.from(text),
  parse: (bytes) => bytes.toString(),
  deadlineAt: Date.now() + 20_000,
  ...more,
});
const failure = (answer: Promise<unknown>): Promise<ServiceError> =>
  answer.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error,
  );

describe("what a runner answers", () => {
  test("the message and the metadata behind it; the request is gRPC with its time-out", async () => {
    let seen: Record<string, unknown> = {};
    const runner = await serve((stream, headers) => {
      seen = headers;
      reply(stream, [grpcFrame(Buffer.from("yes"))], { "grpc-status": "0", "x-incarnation": "7" });
    });
    const { response, trailer } = await open(runner.address).unary(request());
    expect(response).toBe("yes");
    expect((trailer as Metadata).get("x-incarnation")).toEqual(["7"]);
    expect(seen).toMatchObject({
      ":method": "POST",
      ":path": "/package.Service/Method",
      ":authority": runner.address,
      te: "trailers",
      "content-type": "application/grpc",
      "grpc-timeout": expect.stringMatching(/^(1\d{4}|20000)m$/),
    });
  });

  test("bytes come back as they went, in one piece or in many", async () => {
    const runner = await serve(echo);
    const channel = open(runner.address);
    const long = "x".repeat((4 << 20) - 1);
    for (const text of ["", "a", long]) expect((await channel.unary(request(text))).response).toBe(text);
    const drip = await serve(async (stream) => {
      stream.respond(HEADERS, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      for (const byte of grpcFrame(Buffer.from("drip"))) {
        stream.write(Buffer.from([byte]));
        await sleep(2);
      }
      stream.end();
    });
    expect((await open(drip.address).unary(request())).response).toBe("drip");
  });

  const endsWith =
    (trailers: Record<string, string | number>): Behave =>
    (stream) =>
      stream.respond({ ...HEADERS, ...trailers }, { endStream: true });
  const ends =
    (headers: object, body: Buffer | string): Behave =>
    (stream) => {
      stream.respond({ ...headers });
      stream.end(body);
    };
  const resets =
    (code: number): Behave =>
    (stream) =>
      stream.close(code);
  const ROWS: [name: string, behave: Behave, code: status, details: RegExp][] = [
    [
      "a status",
      endsWith({ "grpc-status": "3", "grpc-message": "no%20%C3%A9%zz" }),
      status.INVALID_ARGUMENT,
      /^no é%zz$/,
    ],
    ["a status of its own", endsWith({ "grpc-status": "99" }), status.UNKNOWN, /^$/],
    ["no status", endsWith({}), status.INTERNAL, /without a gRPC status/],
    ["an end without trailers", ends(HEADERS, grpcFrame(Buffer.alloc(1))), status.INTERNAL, /status/],
    ["HTTP 404", ends({ ":status": 404 }, "no"), status.UNIMPLEMENTED, /404/],
    ["HTTP 503", (s) => s.respond({ ":status": 503 }, { endStream: true }), status.UNAVAILABLE, /503/],
    ["HTML", ends({ "content-type": "text/html" }, "<p>"), status.UNKNOWN, /text\/html/],
    ["no message", (s) => reply(s, []), status.INTERNAL, /no whole message/],
    ["half a message", (s) => reply(s, [grpcFrame(Buffer.from("half"), 9)]), status.INTERNAL, /no whole message/],
    [
      "two messages",
      (s) => reply(s, [grpcFrame(Buffer.of(1)), grpcFrame(Buffer.of(2))]),
      status.INTERNAL,
      /more than one/,
    ],
    ["a compressed one", (s) => reply(s, [Buffer.of(1, 0, 0, 0, 1, 0)]), status.INTERNAL, /compressed/],
    ["REFUSED_STREAM", resets(7), status.UNAVAILABLE, /7/],
    ["CANCEL", resets(8), status.CANCELLED, /8/],
    ["ENHANCE_YOUR_CALM", resets(11), status.RESOURCE_EXHAUSTED, /11/],
    ["PROTOCOL_ERROR", resets(1), status.INTERNAL, /1/],
    ["NO_ERROR too early", resets(0), status.INTERNAL, /status/],
    ["a connection that ends", (s) => s.session?.socket.destroy(), status.UNAVAILABLE, /^Connection lost/],
    ["GOAWAY with an error", (s) => s.session?.goaway(2), status.UNAVAILABLE, /./],
  ];
  test.each(ROWS)("%s", async (_name, behave, code, details) => {
    let calls = 0;
    const runner = await serve((stream, headers) => (calls++ === 0 ? behave : echo)(stream, headers));
    const channel = open(runner.address);
    await channel.ready(10_000);
    const begun = Date.now();
    const error = await failure(channel.unary(request()));
    expect(error).toMatchObject({ code, details: expect.stringMatching(details) });
    expect(error.metadata.getMap()).toBeDefined();
    expect(Date.now() - begun).toBeLessThan(5_000);
    // And the next call is none the worse for it.
    await channel.ready(10_000);
    expect((await channel.unary(request("again"))).response).toBe("again");
  });

  test("an answer that cannot be parsed is INTERNAL", async () => {
    const runner = await serve(echo);
    const parse = () => {
      throw new Error("bad wire type");
    };
    const error = await failure(open(runner.address).unary(request("x", { parse })));
    expect(error).toMatchObject({ code: status.INTERNAL, details: "the answer cannot be parsed: bad wire type" });
  });
});

describe("limits", () => {
  test("what is too large is refused from its length, and the runner told to stop", async () => {
    let reset: number | undefined;
    let sent = 0;
    const runner = await serve((stream) => {
      stream.respond(HEADERS);
      stream.write(grpcFrame(Buffer.alloc(0), 1001));
      const pour = setInterval(() => stream.write(Buffer.alloc(100)) && sent++, 1);
      stream.on("close", () => {
        clearInterval(pour);
        reset = stream.rstCode;
      });
    });
    const channel = open(runner.address, { "grpc.max_receive_message_length": 1000 });
    const error = await failure(channel.unary(request()));
    expect(error).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "Received message larger than max (1001 vs 1000)",
    });
    await until(
      () => reset,
      (code) => code === 8,
    );
    expect(sent).toBeLessThan(1_000);
  });

  test("headers above 16 KiB are refused, from the second call of a connection on", async () => {
    const pad = "x".repeat(9_000);
    const runner = await serve((stream) =>
      reply(stream, [grpcFrame(Buffer.of(1))], { "grpc-status": "0", "x-a": pad, "x-b": pad }),
    );
    const channel = open(runner.address);
    await channel.unary(request()); // while the runner acknowledges our settings
    expect(await failure(channel.unary(request()))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test("what is too large to send is not sent", async () => {
    let calls = 0;
    const runner = await serve((stream, headers) => {
      calls++;
      echo(stream, headers);
    });
    const channel = open(runner.address, { "grpc.max_send_message_length": 10 });
    expect(await failure(channel.unary(request("eleven byte")))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect((await channel.unary(request("ten bytes."))).response).toBe("ten bytes.");
    expect(calls).toBe(1);
  });

  test("a second message without an end waits at the runner's side, until the deadline", async () => {
    let sent = 0;
    const runner = await serve((stream) => {
      stream.respond(HEADERS);
      const more = () => {
        for (let free = true; free && !stream.destroyed; sent++) free = stream.write(grpcFrame(Buffer.alloc(1 << 14)));
        stream.once("drain", more);
      };
      more();
    });
    const error = await failure(open(runner.address).unary(request("x", { deadlineAt: Date.now() + 500 })));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(sent).toBeLessThan(100);
  });
});

describe("time", () => {
  test("the deadline ends a call and its stream; one that has passed sends nothing", async () => {
    const codes: number[] = [];
    const runner = await serve((stream) => stream.on("close", () => codes.push(stream.rstCode ?? -1)));
    const channel = open(runner.address);
    await channel.ready(10_000);
    expect((await failure(channel.unary(request("x", { deadlineAt: Date.now() - 1 })))).code).toBe(
      status.DEADLINE_EXCEEDED,
    );
    expect((await failure(channel.unary(request("x", { deadlineAt: Date.now() + 100 })))).code).toBe(
      status.DEADLINE_EXCEEDED,
    );
    await until(
      () => codes,
      (seen) => seen.length === 1,
    );
    expect(codes).toEqual([8]);
  });

  test("who gives up, before or after it was sent, gets CallAborted, and the stream is reset", async () => {
    const codes: number[] = [];
    let calls = 0;
    const runner = await serve((stream) => {
      calls++;
      stream.on("close", () => codes.push(stream.rstCode ?? -1));
    });
    const channel = open(runner.address);
    await channel.ready(10_000);
    expect(await failure(channel.unary(request("x", { signal: AbortSignal.abort() })))).toBeInstanceOf(CallAborted);
    const controller = new AbortController();
    const answer = failure(channel.unary(request("x", { signal: controller.signal })));
    await until(
      () => calls,
      (count) => count === 1,
    );
    controller.abort();
    expect(await answer).toBeInstanceOf(CallAborted);
    await until(
      () => codes,
      (seen) => seen.length === 1,
    );
    expect(codes).toEqual([8]);
  });

  test("a call waits for a connection that is being made, but not beyond its deadline", async () => {
    const silent = createTcp((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    ending.push(() => silent.close());
    await once(silent, "listening");
    const channel = open(`127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const begun = Date.now();
    const error = await failure(channel.unary(request("x", { deadlineAt: Date.now() + 300 })));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(Date.now() - begun).toBeLessThan(5_000);
    await expect(channel.ready(100)).rejects.toThrow("Failed to connect before the deadline");
  });
});

describe("connections", () => {
  test("calls of one moment go out in their order, over one connection", async () => {
    const seen: string[] = [];
    const runner = await serve((stream, headers) => {
      seen.push(String(headers[":path"]));
      echo(stream, headers);
    });
    const channel = open(runner.address);
    const paths = Array.from({ length: 50 }, (_, i) => `/p.S/${i}`);
    const answers = await Promise.all(paths.map((path) => channel.unary(request(path, { path }))));
    expect(answers.map(({ response }) => response)).toEqual(paths);
    expect(seen).toEqual(paths);
    expect(runner.count()).toBe(1);
  });

  test("nobody there: UNAVAILABLE at once, and connected in the background as soon as somebody is", async () => {
    const gone = await serve(echo);
    await gone.close();
    const channel = open(gone.address);
    const first = await failure(channel.unary(request()));
    expect(first).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/ECONNREFUSED/) });
    await expect(channel.ready(50)).rejects.toThrow(/ECONNREFUSED/);
    await serve(echo, { port: Number(gone.address.split(":").at(-1)), host: "127.0.0.1" });
    await channel.ready(20_000);
    expect((await channel.unary(request("back"))).response).toBe("back");
  });

  test("GOAWAY: the open call ends well, the next one has a new connection", async () => {
    const streams: ServerHttp2Stream[] = [];
    const runner = await serve((stream, headers) =>
      runner.count() === 1 ? streams.push(stream) : echo(stream, headers),
    );
    const channel = open(runner.address);
    const answer = channel.unary(request());
    await until(
      () => streams.length,
      (count) => count === 1,
    );
    [...runner.sessions][0]!.goaway(0);
    await until(
      () => runner.count(),
      (count) => count === 2,
    );
    await channel.ready(10_000);
    expect((await channel.unary(request("new"))).response).toBe("new");
    reply(streams[0]!, [grpcFrame(Buffer.from("old"))]);
    expect((await answer).response).toBe("old");
    await until(
      () => runner.sessions.size,
      (size) => size === 1,
    );
  });

  test("who hangs up after every greeting is called on with back-off", async () => {
    const runner = await serve(() => undefined);
    const timer = setInterval(() => {
      for (const session of runner.sessions) session.destroy();
    }, 5);
    ending.push(() => clearInterval(timer));
    const channel = open(runner.address);
    await channel.ready(10_000).catch(() => undefined);
    await sleep(1_500);
    expect(runner.count()).toBeGreaterThan(1);
    expect(runner.count()).toBeLessThan(12);
  });

  test("close frees everything: what waits fails, what is under way may end", async () => {
    const streams: ServerHttp2Stream[] = [];
    const runner = await serve((stream) => streams.push(stream));
    const channel = open(runner.address);
    const answer = channel.unary(request());
    await until(
      () => streams.length,
      (count) => count === 1,
    );
    channel.close();
    expect((await failure(channel.unary(request()))).code).toBe(status.UNAVAILABLE);
    await expect(channel.ready(10_000)).rejects.toThrow(/closed/);
    reply(streams[0]!, [grpcFrame(Buffer.from("last"))]);
    expect((await answer).response).toBe("last");
    await until(
      () => runner.sessions.size,
      (size) => size === 0,
    );
    const other = open((await serve(echo)).address);
    const early = failure(other.unary(request()));
    const readiness = failure(other.ready(10_000));
    other.close();
    expect((await early).code).toBe(status.UNAVAILABLE);
    expect((await readiness).message).toMatch(/closed/);
  });

  test("IPv6, a name, a socket file; a text that is no address", async () => {
    const six = await serve(echo, { port: 0, host: "::1" });
    expect((await open(six.address).unary(request("six"))).response).toBe("six");
    const { address } = await serve(echo);
    expect((await open(address.replace("127.0.0.1", "localhost")).unary(request("name"))).response).toBe("name");
    const folder = await mkdtemp(join(tmpdir(), "almanac-channel-"));
    ending.push(() => rm(folder, { recursive: true }));
    const file = join(folder, "s");
    const unix = await serve(echo, { path: file });
    expect((await open(unix.address).unary(request("file"))).response).toBe("file");
    const nowhere = open(":80");
    expect(await failure(nowhere.unary(request()))).toMatchObject({ code: status.UNAVAILABLE });
    await expect(nowhere.ready(10_000)).rejects.toThrow(/is no address/);
  });

  test("a process with an idle channel ends by itself, up or not", async () => {
    const runner = await serve(echo);
    const folder = import.meta.dirname;
    const program = `
      import { plainChannel } from "${folder}/plain-channel.ts";
      import { CHANNEL } from "${folder}/channel.ts";
      const up = plainChannel("${runner.address}", CHANNEL), down = plainChannel("127.0.0.1:1", CHANNEL);
      await up.unary({ path: "/p.S/M", bytes: Buffer.from("x"), parse: String, deadlineAt: Date.now() + 60_000 });
      await down.ready(300).catch(() => undefined);
      console.log("idle");`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["ignore", "pipe", 2] });
    ending.push(() => child.kill("SIGKILL"));
    const printed = once(child.stdout!, "data");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(String((await printed)[0])).toBe("idle\n");
  });
});
