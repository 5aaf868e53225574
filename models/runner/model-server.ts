import {
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import {
  type CallRequest,
  type CallResponse,
  DYNAMIC_SUBCLASS,
  type SetupRequest,
  type StatusResponse,
  service,
  type WireStatus,
} from "../protocol/messages.ts";
import { type Caller, createCaller } from "./caller.ts";
import { type Answer, type HostCall, hostCall } from "./frames.ts";
import { addHealth } from "./health-server.ts";
import type { HostAction, ModelHost } from "./model-host.ts";
import { addTrainInfer, TRAIN_INFER_SERVICES } from "./train-infer-server.ts";

const MAX_MESSAGE_BYTES = 64 << 20;
const SETUP_MS = 120_000;
/** For callers that give no deadline. */
const CALL_MS = 60_000;
const PORTS_TRIED = 500;

/** A model's public gRPC address. */
export interface ModelServer {
  /** 0 for a Unix socket */
  readonly port: number;
  /** Tells watchers of its health that the model's state may have changed. */
  changed(): void;
  /** Takes no new call, says NOT_SERVING, and resolves when the running ones are answered. */
  drain(): Promise<void>;
  close(): void;
}
/** `address` is host:port or unix:path; else the first free port from `firstPort` up, any with 0. */
type Place = { readonly host: string; readonly firstPort: number } | { readonly address: string };
interface ModelServerOptions {
  readonly model: ModelHost;
  /** bytes of one message; -1: any */
  readonly maxMessage?: { readonly receive: number; readonly send: number };
  /** who may call; without it, whoever reaches the address */
  readonly security?: {
    readonly credentials: ServerCredentials;
    readonly interceptors: readonly ServerInterceptor[];
  };
}

const publicStatus = ({ code, value }: Answer): WireStatus => statusOf(code, value.toString("utf8"));

/** Serves one model: the public services, and its health. */
export async function createModelServer(options: Place & ModelServerOptions): Promise<ModelServer> {
  const { model, maxMessage = { receive: MAX_MESSAGE_BYTES, send: -1 }, security } = options;
  const server = new Server({
    "grpc.max_receive_message_length": maxMessage.receive,
    "grpc.max_send_message_length": maxMessage.send,
    "grpc.max_concurrent_streams": 16,
    "grpc.enable_channelz": 0,
    ...(security ? { interceptors: [...security.interceptors] } : {}),
  });
  let draining = false;
  const perform = createCaller(model);
  addDynamicSubclass(server, perform);
  addTrainInfer(server, perform);
  const health = addHealth(
    server,
    [DYNAMIC_SUBCLASS, ...TRAIN_INFER_SERVICES],
    () => !draining && model.state() === "READY",
  );
  const credentials = security?.credentials ?? ServerCredentials.createInsecure();
  const bind = (address: string) =>
    new Promise<number>((resolve, reject) =>
      server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
  const port =
    "address" in options ? await bind(options.address) : await bindFrom(bind, options.host, options.firstPort);
  return {
    port,
    changed: health.changed,
    drain() {
      draining = true;
      health.changed();
      health.end();
      return new Promise((resolve) => server.tryShutdown(() => resolve()));
    },
    close: () => server.forceShutdown(),
  };
}

function addDynamicSubclass(server: Server, perform: Caller): void {
  const unary =
    <Request, Response>(
      action: HostAction,
      standardMs: number,
      wanted: (request: Request) => HostCall,
      respond: (answer: Answer) => Response,
    ) =>
    async (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>) => {
      const outcome = await perform(call, action, wanted(call.request), standardMs);
      if ("error" in outcome) done(outcome.error);
      else done(null, respond(outcome.answer), outcome.trailer);
    };
  const statusOnly = (answer: Answer): StatusResponse => ({ status: publicStatus(answer) });
  server.addService(service(DYNAMIC_SUBCLASS), {
    Setup: unary<SetupRequest, StatusResponse>(
      "SETUP",
      SETUP_MS,
      ({ className, instanceArguments, instanceKwArguments }) =>
        hostCall(className, instanceArguments, instanceKwArguments),
      statusOnly,
    ),
    Call: unary<CallRequest, CallResponse>(
      "BATCH",
      CALL_MS,
      ({ methodName, methodArguments, methodKwArguments }) => hostCall(methodName, methodArguments, methodKwArguments),
      responseOf,
    ),
    Rest: unary<unknown, StatusResponse>("REST", CALL_MS, () => hostCall("", [], []), statusOnly),
  });
}

const responseOf = (answer: Answer): CallResponse => {
  if (answer.code !== CODE.OK) return { status: publicStatus(answer) };
  const status = { code: "SUCCESS", message: "" };
  return answer.type === 0 ? { status } : { status, methodResponse: { type: answer.type, value: answer.value } };
};

async function bindFrom(bind: (address: string) => Promise<number>, host: string, first: number): Promise<number> {
  const name = host.includes(":") ? `[${host}]` : host;
  if (first === 0) return bind(`${name}:0`);
  for (let port = first; port < Math.min(first + PORTS_TRIED, 65_536); port++) {
    const bound = await bind(`${name}:${port}`).catch(() => undefined);
    if (bound !== undefined) return bound;
  }
  throw new Error(`No free port from ${first} up for a model on ${host}. Set RUNNER_PORT to a free range.`);
}
