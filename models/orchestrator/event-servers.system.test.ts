import http2 from "node:http2";
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { followOrchestrator, type OrchestratorTransport } from "../client/orchestrator-link.ts";
import { webSocketTransport } from "../client/orchestrator-socket.ts";
import { grpcTransport } from "../client/orchestrator-stream.ts";
import { quiet, until } from "../fixtures/test-fleet.ts";
import type { DeploymentEvent, FailureReport } from "../protocol/orchestrator-messages.ts";
import { deploymentEvent } from "../protocol/orchestrator-messages.ts";
import { ORCHESTRATOR, orchestratorType, type ReportFailureResponse } from "../protocol/orchestrator-service.ts";
import { type EventServer, type EventSource, startEventServer } from "./event-server.ts";
import { startGrpcServer } from "./grpc-server.ts";

const CRUNCH = "crunch-1";
const entry = (id: string, state = "RUNNING", more: Partial<DeploymentEvent> = {}): DeploymentEvent => ({
  deployment_id: `d-${id}`,
  model_id: id,
  infos: { model_name: `name ${id}`, cruncher_id: "w", cruncher_name: "Al", cruncher_wallet_pubkey: "w" },
  state,
  ip: "10.0.0.5",
  port: 50_051,
  ...more,
});
const report: FailureReport = {
  model_id: "a",
  failure_code: "MULTIPLE_FAILED",
  failure_reason: "MODEL_FAILED: boom",
  ip: "10.0.0.5",
  deployment_id: "d-a",
};

type Start = (options: { host: string; port: number; source: EventSource }) => Promise<EventServer>;
interface Kind {
  readonly name: string;
  readonly start: Start;
  readonly transport: (port: number) => OrchestratorTransport;
  /** A client that connects, and reads nothing when `stuck`; what ended it is told. */
  readonly raw: (port: number, stuck: boolean) => { ended: Promise<string>; close(): void };
  /** What the server says to a report that is none; the connection is asked again afterwards. */
  readonly malformed: (port: number) => Promise<{ said: string; again: string }>;
}

const webSocket: Kind = {
  name: "WebSocket",
  start: (options) => startEventServer({ ...options, logger: quiet }),
  transport: (port) => webSocketTransport("127.0.0.1", port, CRUNCH),
  raw(port, stuck) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/${CRUNCH}`);
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    if (stuck) socket.on("open", () => socket.pause());
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", (code) => resolve(`closed ${code}`));
    return {
      // Only a reader learns that it was dropped.
      get ended() {
        socket.resume();
        return ended;
      },
      close: () => socket.terminate(),
    };
  },
  async malformed(port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/${CRUNCH}`);
    const said: string[] = [];
    socket.on("message", (data) => said.push(String(data)));
    const hear = (count: number) =>
      until(
        () => said,
        (all) => all.length >= count,
      );
    await hear(1);
    socket.send('{"event":"report_failure","data":[{"model_id":5}]}');
    await hear(2);
    socket.send("no JSON");
    await hear(3);
    socket.terminate();
    return { said: said[1]!, again: said[2]! };
  },
};
const grpc: Kind = {
  name: "gRPC",
  start: (options) => startGrpcServer({ ...options, logger: quiet }),
  transport: (port) => grpcTransport("127.0.0.1", port, CRUNCH),
  // grpc-js reads ahead without bound: what does not read is made by hand.
  raw(port, stuck) {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": ORCHESTRATOR.Watch!.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const body = orchestratorType("WatchRequest").serialize({ crunch_id: CRUNCH });
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]));
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    session.on("error", () => undefined);
    stream.on("error", () => undefined);
    const told = (headers: http2.IncomingHttpHeaders) => {
      if (headers["grpc-status"] !== undefined) resolve(decodeURIComponent(String(headers["grpc-message"])));
    };
    stream.on("response", told);
    stream.on("trailers", told);
    if (!stuck) stream.resume();
    return {
      get ended() {
        stream.resume();
        return ended;
      },
      close: () => session.destroy(),
    };
  },
  async malformed(port) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const send = (reports: object[]) =>
      new Promise<string>((resolve, reject) =>
        client.makeUnaryRequest(
          ORCHESTRATOR.ReportFailure!.path,
          orchestratorType("ReportFailureRequest").serialize,
          orchestratorType<ReportFailureResponse>("ReportFailureResponse").deserialize,
          { crunch_id: CRUNCH, reports },
          (error, answer) => (error ? reject(error) : resolve(JSON.stringify(answer))),
        ),
      );
    const said = await send([{ failure_code: "X" }]);
    const again = await send([{ model_id: "a" }, report]);
    client.close();
    return { said, again };
  },
};

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** A server over a list that the test changes. */
async function serve(kind: Kind, models: DeploymentEvent[] = [entry("a")], port = 0) {
  const reports: FailureReport[] = [];
  const { promise: ready, resolve: getReady } = Promise.withResolvers<void>();
  const server = await kind.start({
    host: "127.0.0.1",
    port,
    source: {
      ready,
      events: (crunchId) => (crunchId === CRUNCH ? models : []),
      knows: (id) => models.some(({ model_id }) => model_id === id),
      onReport: (given) => reports.push(given),
    },
  });
  ending.push(() => server.close());
  return { server, reports, getReady };
}
function watch(transport: OrchestratorTransport) {
  const seen: { event: string; data: DeploymentEvent[] }[] = [];
  const ends: string[] = [];
  const link = followOrchestrator({
    transport: {
      url: transport.url,
      connect(events) {
        const connection = transport.connect(events);
        void connection.ended.then((cause) => ends.push(cause));
        return connection;
      },
    },
    tries: 3,
    logger: quiet,
    take(message) {
      const parsed = typeof message === "string" ? JSON.parse(message) : message;
      seen.push(parsed);
      return parsed.event === "init";
    },
  });
  ending.push(() => link.close());
  return { link, seen, ends };
}
const shown = (seen: ReturnType<typeof watch>["seen"]) =>
  seen.map(({ event, data }) => [event, ...data.map(({ model_id, state }) => `${model_id} ${state}`)].join(" "));

describe.each([webSocket, grpc])("the events over $name", (kind) => {
  test("init first, and only when the state is known; then updates in order, field by field", async () => {
    const full = entry("a", "RUNNING", {
      infos: {
        model_name: "modèle 😀",
        cruncher_id: "w",
        cruncher_name: "Al",
        cruncher_wallet_pubkey: "w",
        cruncher_hotkey: "h",
      },
      ip: "fd00::1",
      almanac: { sandbox: "bwrap", fleet_port: 1234 },
    });
    const { server, getReady } = await serve(kind, [full]);
    const { link, seen } = watch(kind.transport(server.port));
    server.publish(CRUNCH, [entry("too early")]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen).toEqual([]);
    getReady();
    await link.first;
    for (let i = 0; i < 50; i++) server.publish(CRUNCH, [entry(`m${i}`), entry("a", "RECOVERING")]);
    server.publish("another", [entry("stranger")]);
    server.publish(CRUNCH, [entry("last", "STOPPED", { ip: null, port: null, infos: null })]);
    await until(
      () => seen.length,
      (count) => count === 52,
    );
    expect(shown(seen)).toEqual([
      "init a RUNNING",
      ...Array.from({ length: 50 }, (_, i) => `update m${i} RUNNING a RECOVERING`),
      "update last STOPPED",
    ]);
    expect(deploymentEvent.parse(seen[0]!.data[0])).toEqual(full);
    expect(seen.at(-1)!.data[0]).toMatchObject({ deployment_id: "d-last" });
    expect(seen.at(-1)!.data[0]!.ip ?? null).toBeNull();
  });

  test("an unknown crunch is empty", async () => {
    const { server, getReady } = await serve(kind);
    getReady();
    const transport =
      kind === grpc
        ? grpcTransport("127.0.0.1", server.port, "other")
        : webSocketTransport("127.0.0.1", server.port, "other");
    const { link, seen } = watch(transport);
    await link.first;
    expect(seen).toEqual([{ event: "init", data: [] }]);
  });

  test("a connection that breaks is made anew: init again; a report made meanwhile arrives", async () => {
    const first = await serve(kind);
    first.getReady();
    const { link, seen, ends } = watch(kind.transport(first.server.port));
    await link.first;
    await first.server.close();
    await until(
      () => ends,
      (causes) => causes.length > 0,
    );
    link.report(report);
    const second = await serve(kind, [entry("a"), entry("b")], first.server.port);
    second.getReady();
    await until(
      () => seen.length,
      (count) => count === 2,
    );
    expect(shown(seen)).toEqual(["init a RUNNING", "init a RUNNING b RUNNING"]);
    await until(
      () => second.reports,
      (got) => got.length > 0,
    );
    expect(second.reports).toEqual([report]);
  });

  test("nobody there: init names the address and the cure, after the tries it was given", async () => {
    const { link } = watch(kind.transport(1));
    await expect(link.first).rejects.toThrow(
      /No model orchestrator at (ws|grpc):\/\/127\.0\.0\.1:1\/crunch-1 after 3 tries \(.*ECONNREFUSED.*MODEL_RUNNER_NODE_PORT/s,
    );
  });

  test("a report arrives; a malformed one is answered with an error, and the connection stays", async () => {
    const { server, reports, getReady } = await serve(kind);
    getReady();
    const { link } = watch(kind.transport(server.port));
    await link.first;
    link.report(report);
    link.report({ ...report, model_id: "stranger" });
    await until(
      () => reports,
      (got) => got.length > 0,
    );
    const { said, again } = await kind.malformed(server.port);
    expect(said).toMatch(/model_id/);
    expect(again).toMatch(kind === grpc ? /failure_code.*"accepted":true/s : /not JSON/);
    expect(new Set(reports.map(({ model_id }) => model_id))).toEqual(new Set(["a"]));
  });

  test("a client that does not read is dropped, the others are served", async () => {
    const { server, getReady } = await serve(kind);
    getReady();
    const { link, seen } = watch(kind.transport(server.port));
    await link.first;
    const stuck = kind.raw(server.port, true);
    ending.push(() => stuck.close());
    await new Promise((resolve) => setTimeout(resolve, 300)); // it is connected and has stopped to read
    const big = Array.from({ length: 400 }, (_, i) =>
      entry(`${i}`, "RUNNING", { infos: { model_name: "x".repeat(400) } }),
    );
    for (let i = 1; i <= 80; i++) {
      server.publish(CRUNCH, big);
      await until(
        () => seen.length,
        (count) => count > i,
      );
    }
    expect(await stuck.ended).toMatch(kind === grpc ? /SLOW_READER/ : /closed 1006/);
    expect(seen).toHaveLength(81);
  });

  test("the sixty-fifth client is refused; a place that comes free is given", async () => {
    const { server, getReady } = await serve(kind);
    getReady();
    const held = Array.from({ length: 64 }, () => watch(kind.transport(server.port)));
    await Promise.all(held.map(({ link }) => link.first));
    const one = kind.raw(server.port, false);
    expect(await one.ended).toMatch(kind === grpc ? /more than 64 clients/ : /401|403|503/);
    held[0]!.link.close();
    const next = watch(kind.transport(server.port));
    await next.link.first;
    expect(shown(next.seen)).toEqual(["init a RUNNING"]);
  });

  test("a message above the limit ends only its connection", async () => {
    const { server, reports, getReady } = await serve(kind);
    getReady();
    const { link, seen } = watch(kind.transport(server.port));
    await link.first;
    const pad = "x".repeat(2 << 20);
    link.report({ ...report, failure_reason: pad });
    await until(
      () => {
        link.report(report);
        return reports;
      },
      (got) => got.some(({ failure_reason }) => failure_reason === report.failure_reason),
    );
    expect(reports.map(({ failure_reason }) => failure_reason)).not.toContain(pad.slice(0, 500));
    expect(shown(seen).every((text) => text === "init a RUNNING")).toBe(true);
  });

  test("garbage on the port harms nobody", async () => {
    const { server, getReady } = await serve(kind);
    getReady();
    const junk = connectTcp(server.port, "127.0.0.1", () => junk.write(Buffer.alloc(100_000, 0x5a)));
    junk.on("error", () => undefined).resume();
    await new Promise((resolve) => junk.once("close", resolve));
    const { link, seen } = watch(kind.transport(server.port));
    await link.first;
    expect(shown(seen)).toEqual(["init a RUNNING"]);
  });
});

test("every field that the WebSocket has is in the proto, and no other", () => {
  const sample = entry("a", "RUNNING", { almanac: { sandbox: "bwrap", fleet_port: 1 } });
  sample.infos = { ...sample.infos, cruncher_hotkey: "h" };
  const type = orchestratorType<DeploymentEvent>("Deployment");
  const back = type.deserialize(type.serialize(sample));
  const keys = (value: object): string[] =>
    Object.entries(value).flatMap(([key, v]) => [
      key,
      ...(v && typeof v === "object" ? keys(v).map((k) => `${key}.${k}`) : []),
    ]);
  const shape = (s: { shape?: object; unwrap?: () => unknown }): string[] => {
    const inner = s.shape ? s : (s.unwrap?.() as typeof s | undefined);
    if (!inner?.shape) return inner ? shape(inner) : [];
    return Object.entries(inner.shape).flatMap(([k, v]) => [k, ...shape(v).map((x) => `${k}.${x}`)]);
  };
  expect(keys(back).sort()).toEqual(shape(deploymentEvent as never).sort());
});

test("a port that is taken names its cure", async () => {
  const taken: Server = createTcpServer((socket: Socket) => socket.end());
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  ending.push(() => taken.close());
  const { port } = taken.address() as { port: number };
  await expect(serve(grpc, [], port)).rejects.toThrow(/Port \d+ is taken.*ORCHESTRATOR_GRPC_PORT/);
});
