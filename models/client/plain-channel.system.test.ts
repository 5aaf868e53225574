import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { grpcFrame } from "../fixtures/bad-answers.ts";
import { echo, endAll, ending, failure, open, reply, request, serve } from "../fixtures/http2-runner.ts";
import { until } from "../fixtures/test-fleet.ts";
import { CallAborted } from "./runner-channel.ts";

afterEach(endAll);

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
