import { CODE, statusOf } from "../protocol/answer-code.ts";
import type { MessageLimits } from "../protocol/grpc-wire.ts";
import {
  type CallRequest,
  type CallResponse,
  DYNAMIC_SUBCLASS,
  type SetupRequest,
  type WireStatus,
} from "../protocol/messages.ts";
import { type Caller, createCaller } from "./caller.ts";
import { type Answer, type HostCall, hostCall } from "./frames.ts";
import { createGrpcServer, type ServerSecurity } from "./grpc-server.ts";
import { healthMethods } from "./health-methods.ts";
import type { HostAction, ModelHost } from "./model-host.ts";
import { createPlainServer } from "./plain-server.ts";
import { type Method, unary } from "./rpc.ts";
import { TRAIN_INFER_SERVICES, trainInferMethods } from "./train-infer-methods.ts";

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
  readonly maxMessage?: MessageLimits;
  /** without it, whoever reaches the address may call */
  readonly security?: ServerSecurity;
}

const publicStatus = ({ code, value }: Answer): WireStatus => statusOf(code, value.toString("utf8"));

/** Serves one model: the public services, and its health. */
export async function createModelServer(options: Place & ModelServerOptions): Promise<ModelServer> {
  const { model, maxMessage = { receive: MAX_MESSAGE_BYTES, send: -1 }, security } = options;
  let draining = false;
  const perform = createCaller(model);
  const health = healthMethods(
    [DYNAMIC_SUBCLASS, ...TRAIN_INFER_SERVICES],
    () => !draining && model.state() === "READY",
  );
  const methods = [...dynamicSubclassMethods(perform), ...trainInferMethods(perform), ...health.methods];
  const server = security ? createGrpcServer(methods, maxMessage, security) : createPlainServer(methods, maxMessage);
  const port =
    "address" in options
      ? await server.listen(options.address)
      : await bindFrom(server.listen, options.host, options.firstPort);
  return {
    port,
    changed: health.changed,
    drain() {
      draining = true;
      health.changed();
      health.end();
      return server.drain();
    },
    close: server.close,
  };
}

function dynamicSubclassMethods(perform: Caller): Method[] {
  const method = <Request extends object>(
    name: string,
    action: HostAction,
    standardMs: number,
    wanted: (request: Request) => HostCall,
    respond: (answer: Answer) => object = (answer) => ({ status: publicStatus(answer) }),
  ): Method =>
    unary<Request>(DYNAMIC_SUBCLASS, name, async (request, deadlineAt) => {
      const outcome = await perform(deadlineAt, action, wanted(request), standardMs);
      return "error" in outcome ? outcome : { response: respond(outcome.answer), trailer: outcome.trailer };
    });
  return [
    method<SetupRequest>("Setup", "SETUP", SETUP_MS, ({ className, instanceArguments, instanceKwArguments }) =>
      hostCall(className, instanceArguments, instanceKwArguments),
    ),
    method<CallRequest>(
      "Call",
      "BATCH",
      CALL_MS,
      ({ methodName, methodArguments, methodKwArguments }) => hostCall(methodName, methodArguments, methodKwArguments),
      responseOf,
    ),
    method("Rest", "REST", CALL_MS, () => hostCall("", [], [])),
  ];
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
