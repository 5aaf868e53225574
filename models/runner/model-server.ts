import {
  status as grpcStatus,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type CallRequest,
  type CallResponse,
  DYNAMIC_SUBCLASS,
  HEALTH,
  INCARNATION_HEADER,
  type SetupRequest,
  type StatusResponse,
  service,
  type WireArgument,
  type WireKwArgument,
  type WireStatus,
} from "../protocol/messages.ts";
import { type Answer, CODE, type HostCall, unframeable } from "./frames.ts";
import type { HostAction, ModelHost } from "./model-host.ts";

const MAX_MESSAGE_BYTES = 64 << 20;
const SETUP_MS = 120_000;
/** For callers that give no deadline. */
const CALL_MS = 60_000;
const PORTS_TRIED = 500;
interface Health {
  status: number;
}
const SERVING = { SERVING: 1, NOT_SERVING: 2 } as const;

// What the public runner would call each finding.
const STATUS = new Map<number, { code: string; text: string }>([
  [CODE.OK, { code: "SUCCESS", text: "" }],
  [CODE.FAILED, { code: "MODEL_FAILED", text: "" }],
  [CODE.TOO_LARGE, { code: "MODEL_FAILED", text: "TOO_LARGE: " }],
  [CODE.NOT_FINITE, { code: "MODEL_FAILED", text: "NOT_FINITE: " }],
  [CODE.NO_METHOD, { code: "BAD_IMPLEMENTATION", text: "" }],
  [CODE.TIMEOUT, { code: "MODEL_FAILED", text: "TIMEOUT: " }],
  [CODE.DIED, { code: "MODEL_FAILED", text: "DIED: " }],
  [CODE.NOT_READY, { code: "MODEL_FAILED", text: "NOT_READY: " }],
  [CODE.PROTOCOL, { code: "MODEL_FAILED", text: "PROTOCOL: " }],
  [CODE.NOT_SET_UP, { code: "FAILED_PRECONDITION", text: "" }],
  [CODE.BAD_IMPLEMENTATION, { code: "BAD_IMPLEMENTATION", text: "" }],
  [CODE.SETUP_FAILED, { code: "SETUP_FAILED", text: "" }],
  [CODE.INVALID_ARGUMENT, { code: "INVALID_ARGUMENT", text: "" }],
]);
const statusOf = ({ code, value }: Answer): WireStatus => {
  const known = STATUS.get(code) ?? { code: "UNKNOWN", text: "" };
  return { code: known.code, message: known.text + value.toString("utf8").slice(0, 2000) };
};

/** A model's public gRPC address. */
export interface ModelServer {
  readonly port: number;
  /** Tells watchers of its health that the model's state may have changed. */
  changed(): void;
  close(): void;
}

const callOf = (name: string, args: WireArgument[], kwargs: WireKwArgument[]): HostCall => ({
  name,
  args: args.toSorted((a, b) => a.position - b.position).map((arg) => arg.data ?? { type: 0, value: Buffer.alloc(0) }),
  kwargs: kwargs.map(({ keyword, data }) => ({ keyword, data: data ?? { type: 0, value: Buffer.alloc(0) } })),
});

/** Milliseconds the caller still waits. */
const patience = (call: ServerUnaryCall<unknown, unknown>, standardMs: number): number => {
  const deadline = call.getDeadline();
  const at = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(at) ? Math.max(1, at - Date.now()) : standardMs;
};

/** Serves one model at `firstPort`, or the next free one; 0 takes any. */
export async function createModelServer(options: {
  host: string;
  firstPort: number;
  model: ModelHost;
}): Promise<ModelServer> {
  const { model } = options;
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": 16,
  });
  const watchers = new Set<ServerWritableStream<unknown, Health>>();
  const health = (): Health => ({ status: model.state() === "READY" ? SERVING.SERVING : SERVING.NOT_SERVING });

  const perform = async <T>(
    call: ServerUnaryCall<unknown, T>,
    done: sendUnaryData<T>,
    action: HostAction,
    wanted: HostCall,
    standardMs: number,
    respond: (answer: Answer) => T,
  ) => {
    const problem = unframeable(wanted);
    if (problem !== undefined) return done({ code: grpcStatus.INVALID_ARGUMENT, details: problem });
    try {
      const [answer] = await model.run(action, [wanted], patience(call, standardMs));
      const trailer = new Metadata();
      trailer.set(INCARNATION_HEADER, String(model.incarnation()));
      // Clients try a connection again that was not there; a failed Setup they take as final.
      if (action === "SETUP" && answer?.code === CODE.NOT_READY)
        return done({ code: grpcStatus.UNAVAILABLE, details: answer.value.toString("utf8") });
      done(null, respond(answer as Answer), trailer);
    } catch {
      done({ code: grpcStatus.RESOURCE_EXHAUSTED, details: "Server busy" });
    }
  };

  server.addService(service(DYNAMIC_SUBCLASS), {
    Setup: (call: ServerUnaryCall<SetupRequest, StatusResponse>, done: sendUnaryData<StatusResponse>) => {
      const { className, instanceArguments, instanceKwArguments } = call.request;
      perform(call, done, "SETUP", callOf(className, instanceArguments, instanceKwArguments), SETUP_MS, (answer) => ({
        status: statusOf(answer),
      }));
    },
    Call: (call: ServerUnaryCall<CallRequest, CallResponse>, done: sendUnaryData<CallResponse>) => {
      const { methodName, methodArguments, methodKwArguments } = call.request;
      perform(call, done, "BATCH", callOf(methodName, methodArguments, methodKwArguments), CALL_MS, responseOf);
    },
    Rest: (call: ServerUnaryCall<unknown, StatusResponse>, done: sendUnaryData<StatusResponse>) => {
      perform(call, done, "REST", callOf("", [], []), CALL_MS, (answer) => ({ status: statusOf(answer) }));
    },
  });
  const check = (_call: unknown, done: sendUnaryData<Health>) => done(null, health());
  const watch = (stream: ServerWritableStream<unknown, Health>) => {
    watchers.add(stream);
    stream.on("close", () => watchers.delete(stream));
    stream.write(health());
  };
  server.addService(service(HEALTH), { Check: check, Watch: watch });
  const port = await bindFrom(server, options.host, options.firstPort);
  return {
    port,
    changed() {
      for (const stream of watchers) stream.write(health());
    },
    close: () => server.forceShutdown(),
  };
}

const responseOf = (answer: Answer): CallResponse => {
  if (answer.code !== CODE.OK) return { status: statusOf(answer) };
  const status = { code: "SUCCESS", message: "" };
  return answer.type === 0 ? { status } : { status, methodResponse: { type: answer.type, value: answer.value } };
};

async function bindFrom(server: Server, host: string, first: number): Promise<number> {
  const address = host.includes(":") ? `[${host}]` : host;
  const bind = (port: number) =>
    new Promise<number>((resolve, reject) =>
      server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
  if (first === 0) return bind(0);
  for (let port = first; port < Math.min(first + PORTS_TRIED, 65_536); port++) {
    const bound = await bind(port).catch(() => undefined);
    if (bound !== undefined) return bound;
  }
  throw new Error(`No free port from ${first} up for a model on ${host}. Set RUNNER_PORT to a free range.`);
}
