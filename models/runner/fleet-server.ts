import { status as grpcStatus } from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import type {
  CallManyRequest,
  CallManyResponse,
  DescribeResponse,
  FleetAnswer,
  SetupOneRequest,
} from "../protocol/fleet-messages.ts";
import { FLEET, type StatusResponse } from "../protocol/messages.ts";
import { runFleetCall } from "./fleet-call.ts";
import type { FleetWatch } from "./fleet-watch.ts";
import { foreignType, type HostCall, hostCall, MAX_FRAME_BYTES, unframeable } from "./frames.ts";
import type { ModelHost } from "./model-host.ts";
import { createPlainServer } from "./plain-server.ts";
import { createRoundMemory, type RoundMemory } from "./round-memory.ts";
import { type Follower, followed, type Reply, unary } from "./rpc.ts";

const PROTOCOL = 1;
const MAX_REQUEST_BYTES = 16 << 20;
const STANDARD_FLUSH_MS = 2;
const STANDARD_DEADLINE_MS = 60_000;
const SETUP_MS = 120_000;
/** A message is sent on when it holds this much; with one answer on top it still fits what clients take. */
const FULL_BYTES = 1 << 20;
const MAX_TARGETS = 10_000;
const MAX_CALLS = 64;
/** A round that reads slowly is paused; what its models are at still comes. */
const ROOM = { concurrentCalls: 256, unsentMb: 1024 };
type HostOf = (deployment: string) => ModelHost | undefined;

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
  hostOf: HostOf;
}): Promise<FleetServer> {
  const { hostOf, watch } = options;
  const memory = createRoundMemory();
  const methods = [
    followed<CallManyRequest>(FLEET, "CallMany", (request, follower) => {
      const problem = problemOf(request);
      if (problem !== undefined) return { code: grpcStatus.INVALID_ARGUMENT, details: `CallMany: ${problem}` };
      callMany(request, follower, hostOf, memory);
      return undefined;
    }),
    unary<SetupOneRequest>(FLEET, "Setup", (request) => setUp(request, hostOf)),
    followed(FLEET, "Watch", (_request, follower) => {
      watch.add(follower);
      return undefined;
    }),
    unary(FLEET, "Describe", () => ({
      response: {
        protocol: PROTOCOL,
        sandbox: options.sandbox,
        models: options.modelCount(),
        max_answer_bytes: MAX_FRAME_BYTES,
      } satisfies DescribeResponse,
    })),
  ];
  const server = createPlainServer(methods, { receive: MAX_REQUEST_BYTES, send: -1 }, ROOM);
  const address = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { port: await server.listen(`${address}:0`), close: server.close };
}

async function setUp({ deployment, setup }: SetupOneRequest, hostOf: HostOf): Promise<Reply> {
  const refused = (code: grpcStatus, details: string): Reply => ({ error: { code, details } });
  const host = hostOf(deployment);
  if (!host || !setup) return refused(grpcStatus.NOT_FOUND, `the runner has no deployment ${deployment.slice(0, 200)}`);
  const wanted = hostCall(setup.className, setup.instanceArguments, setup.instanceKwArguments);
  const problem = refusalOf(wanted);
  if (problem !== undefined) return refused(grpcStatus.INVALID_ARGUMENT, problem);
  try {
    const [answer] = await host.run("SETUP", [wanted], SETUP_MS);
    const text = answer?.value.toString("utf8") ?? "";
    // Clients try again what was not there; a failed Setup they take as final.
    if (!answer || answer.code === CODE.NOT_READY) return refused(grpcStatus.UNAVAILABLE, text);
    return { response: { status: statusOf(answer.code, text) } satisfies StatusResponse };
  } catch {
    return refused(grpcStatus.RESOURCE_EXHAUSTED, "Server busy");
  }
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

function callMany(request: CallManyRequest, follower: Follower, hostOf: HostOf, memory: RoundMemory): void {
  const flushMs = request.flush_ms || STANDARD_FLUSH_MS;
  let waiting: FleetAnswer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    const message: CallManyResponse = { answers: waiting };
    waiting = [];
    bytes = 0;
    if (!follower.send(message)) run.pause(true);
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
      follower.end();
    },
  });
  follower.onDrain(() => run.pause(false));
  follower.onClose(() => {
    clearTimeout(timer);
    run.abandon();
  });
  run.start();
}
