import { setTimeout as sleep } from "node:timers/promises";
import { type Metadata, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { grpcFrame } from "../fixtures/bad-answers.ts";
import { type Behave, echo, endAll, failure, HEADERS, open, reply, request, serve } from "../fixtures/http2-runner.ts";
import { until } from "../fixtures/test-fleet.ts";

afterEach(endAll);

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
