import {
  status as grpcStatus,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import type {
  CallManyRequest,
  CallManyResponse,
  DescribeResponse,
  FleetAnswer,
  SetupOneRequest,
} from "../protocol/fleet-messages.ts";
import { FLEET, type StatusResponse, service } from "../protocol/messages.ts";
import { runFleetCall } from "./fleet-call.ts";
import type { FleetWatch } from "./fleet-watch.ts";
import { foreignType, type HostCall, hostCall, MAX_FRAME_BYTES, unframeable } from "./frames.ts";
import type { ModelHost } from "./model-host.ts";
import { createRoundMemory, type RoundMemory } from "./round-memory.ts";

const PROTOCOL = 1;
const MAX_REQUEST_BYTES = 16 << 20;
const STANDARD_FLUSH_MS = 2;
const STANDARD_DEADLINE_MS = 60_000;
const SETUP_MS = 120_000;
/** A message is sent on when it holds this much; with one answer on top it still fits what clients take. */
const FULL_BYTES = 1 << 20;
const MAX_TARGETS = 10_000;
const MAX_CALLS = 64;

/** The runner's second address: many models over one connection. */
export interface FleetServer {
  readonly port: number;
  close(): void;
}

export async function createFleetServer(options: {
  host: string;
  sandbox: string;
  modelCount: () => number;
  watch: FleetWatch;
  hostOf: (deployment: string) => ModelHost | undefined;
}): Promise<FleetServer> {
  const memory = createRoundMemory();
  const server = new Server({
    "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": 256,
    "grpc.enable_channelz": 0,
  });
  server.addService(service(FLEET), {
    CallMany: callManyOf(options.hostOf, memory),
    Setup: async (call: ServerUnaryCall<SetupOneRequest, StatusResponse>, done: sendUnaryData<StatusResponse>) => {
      const { deployment, setup } = call.request;
      const host = options.hostOf(deployment);
      if (!host || !setup)
        return done({
          code: grpcStatus.NOT_FOUND,
          details: `the runner has no deployment ${deployment.slice(0, 200)}`,
        });
      const wanted = hostCall(setup.className, setup.instanceArguments, setup.instanceKwArguments);
      const problem = refusalOf(wanted);
      if (problem !== undefined) return done({ code: grpcStatus.INVALID_ARGUMENT, details: problem });
      try {
        const [answer] = await host.run("SETUP", [wanted], SETUP_MS);
        const text = answer?.value.toString("utf8") ?? "";
        // Clients try again what was not there; a failed Setup they take as final.
        if (!answer || answer.code === CODE.NOT_READY) done({ code: grpcStatus.UNAVAILABLE, details: text });
        else done(null, { status: statusOf(answer.code, text) });
      } catch {
        done({ code: grpcStatus.RESOURCE_EXHAUSTED, details: "Server busy" });
      }
    },
    Watch: options.watch.add,
    Describe: (_call: unknown, done: sendUnaryData<DescribeResponse>) =>
      done(null, {
        protocol: PROTOCOL,
        sandbox: options.sandbox,
        models: options.modelCount(),
        max_answer_bytes: MAX_FRAME_BYTES,
      }),
  });
  const address = options.host.includes(":") ? `[${options.host}]` : options.host;
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${address}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { port, close: () => server.forceShutdown() };
}

function refusalOf(call: HostCall): string | undefined {
  const foreign = foreignType(call);
  return unframeable(call) ?? (foreign === undefined ? undefined : `Unsupported data type: ${foreign}`);
}

/** What is wrong with a request, for its sender. */
function problemOf({ targets, calls }: CallManyRequest): string | undefined {
  if (targets.length > MAX_TARGETS) return `${targets.length} targets, at most ${MAX_TARGETS}`;
  if (calls.length === 0 || calls.length > MAX_CALLS) return `${calls.length} calls, 1 to ${MAX_CALLS} are taken`;
  for (const [i, { call }] of calls.entries()) {
    if (!call) return `calls[${i}] holds no call`;
    const problem = refusalOf(hostCall(call.methodName, call.methodArguments, call.methodKwArguments));
    if (problem !== undefined) return `calls[${i}]: ${problem}`;
  }
  const bad = targets.findIndex((target) => target.calls.some((call) => call >= calls.length));
  return bad < 0 ? undefined : `targets[${bad}] names a call that is not there`;
}

type CallManyStream = ServerWritableStream<CallManyRequest, CallManyResponse>;
type HostOf = (deployment: string) => ModelHost | undefined;

const callManyOf = (hostOf: HostOf, memory: RoundMemory) => (stream: CallManyStream) => {
  const problem = problemOf(stream.request);
  if (problem === undefined) callMany(stream, hostOf, memory);
  else stream.emit("error", { code: grpcStatus.INVALID_ARGUMENT, details: `CallMany: ${problem}` });
};

function callMany(stream: CallManyStream, hostOf: HostOf, memory: RoundMemory): void {
  const { request } = stream;
  const flushMs = request.flush_ms || STANDARD_FLUSH_MS;
  let waiting: FleetAnswer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    const goesOn = stream.write({ answers: waiting });
    waiting = [];
    bytes = 0;
    if (goesOn) return;
    run.pause(true);
    stream.once("drain", () => run.pause(false));
  };
  const add = (answer: FleetAnswer) => {
    waiting.push(answer);
    bytes += answer.value?.value.length ?? 0;
    if (bytes >= FULL_BYTES) flush();
    else timer ??= setTimeout(flush, flushMs);
  };
  const run = runFleetCall({
    request: { ...request, deadline_ms: request.deadline_ms || STANDARD_DEADLINE_MS },
    calls: request.calls.map(({ call, key }) =>
      hostCall(call?.methodName ?? "", call?.methodArguments ?? [], call?.methodKwArguments ?? [], key),
    ),
    hostOf,
    memory,
    onAnswer: add,
    onEnd: () => {
      flush();
      stream.end();
    },
  });
  stream.on("cancelled", () => {
    clearTimeout(timer);
    run.abandon();
  });
  run.start();
}
