import type { Logger } from "pino";
import {
  type Argument,
  type CallRequest,
  callBytes,
  callRequest,
  type KwArgument,
  setupBytes,
  setupRequest,
} from "../protocol/messages.ts";
import type { DeploymentEvent, FailureCode, FailureReport } from "../protocol/orchestrator-messages.ts";
import type { ClientSecurity } from "../secure/client-security.ts";
import type { Delivery } from "./deliver.ts";
import type { CallResult, FleetCall, FleetModel } from "./fleet.ts";
import { createFleetConnections } from "./fleet-connection.ts";
import { createFleetFanOut } from "./fleet-fan-out.ts";
import { createLane, type Lane } from "./lane.ts";
import type { Compat } from "./limits.ts";
import { createFleetMetrics, type ModelMetrics } from "./model-metrics.ts";
import { followOrchestrator, type OrchestratorLink } from "./orchestrator-link.ts";
import { webSocketTransport } from "./orchestrator-socket.ts";
import { grpcTransport } from "./orchestrator-stream.ts";
import { createRoster } from "./roster.ts";
import { createTickHistory } from "./tick-history.ts";

export interface FleetClientOptions {
  /** where the orchestrator listens */
  readonly host: string;
  readonly port: number;
  /** how it is followed there: WebSocket (standard), or the gRPC of our own */
  readonly orchestrator?: "ws" | "grpc";
  readonly crunchId: string;
  /** full dotted name of the class that models extend */
  readonly baseClassname: string;
  readonly logger: Logger;
  readonly instanceArgs?: readonly Argument[];
  readonly instanceKwargs?: readonly KwArgument[];
  /** a model is disconnected at this many in a row; 0: never */
  readonly maxConsecutiveFailures?: number;
  readonly maxConsecutiveTimeouts?: number;
  /** judge models as the public client does: limits 3 and 3, exceeded instead of reached, skips and lost connections counted as timeouts */
  readonly compat?: Compat;
  /** deadline of `call` */
  readonly callTimeoutMs?: number;
  readonly setupTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly connectTries?: number;
  /** connections to the orchestrator before `init` rejects */
  readonly orchestratorTries?: number;
  readonly reportFailures?: boolean;
  /** call the models of a runner together where the orchestrator announces that it can; standard: true */
  readonly callMany?: boolean;
  /** how models prove themselves; absent: not at all. Closed with the client */
  readonly security?: ClientSecurity | undefined;
}

interface CallAllRequest {
  /** in this order to each model */
  readonly calls: readonly FleetCall[];
  /** ids; absent: all that are connected, empty: nobody */
  readonly models?: readonly string[];
  /** the whole fan-out ends after this many milliseconds, by our clock */
  readonly deadlineMs: number;
  /** a failed call skips the model's later calls */
  readonly stopOnFailure?: boolean;
  /** our runner calls no model twice under the same id; it repeats the answers */
  readonly roundId?: string;
  readonly signal?: AbortSignal;
}

export interface FleetClient extends AsyncDisposable {
  /** Connects to the orchestrator; resolves with its first list of models. Rejects, naming cause and cure, when none answers. */
  init(): Promise<void>;
  /** Runs until the client is closed; the orchestrator is followed, with reconnects, from `init` on. */
  sync(): Promise<void>;
  models(): FleetModel[];
  /** Times and counts of the models there are. */
  metrics(): ModelMetrics[];
  /** Returns the function that unsubscribes. */
  onChange(listener: (models: FleetModel[]) => void): () => void;
  /** Never rejects for a model's sake: one result per (model, call), by model id. @throws VariantError when an argument cannot be encoded */
  callAll(request: CallAllRequest): Promise<Map<string, CallResult[]>>;
  /** One call to each model, under `callTimeoutMs`. */
  call(request: {
    method: string;
    arguments?: readonly Argument[];
    kwargs?: readonly KwArgument[];
    models?: readonly string[];
  }): Promise<CallResult[]>;
}

const STANDARD = {
  instanceArgs: [],
  instanceKwargs: [],
  maxConsecutiveFailures: 10,
  maxConsecutiveTimeouts: 10,
  callTimeoutMs: 60_000,
  setupTimeoutMs: 120_000,
  connectTimeoutMs: 10_000,
  connectTries: 5,
  orchestratorTries: 10,
  reportFailures: true,
  callMany: true,
  orchestrator: "ws",
} as const;
const PEER_LIMITS = { maxConsecutiveFailures: 3, maxConsecutiveTimeouts: 3 };

export function createFleetClient(given: FleetClientOptions): FleetClient {
  const options = { ...STANDARD, ...(given.compat ? PEER_LIMITS : {}), ...given };
  const { logger } = options;
  const request = setupRequest(options.baseClassname, options.instanceArgs, options.instanceKwargs);
  const setup = { request, bytes: setupBytes(request) };
  const fleets = options.callMany ? createFleetConnections() : undefined;
  const listeners = new Set<(models: FleetModel[]) => void>();
  const { promise: closed, resolve: finish } = Promise.withResolvers<void>();
  const history = createTickHistory();
  const metrics = createFleetMetrics();
  let orchestrator: OrchestratorLink | undefined;

  const models = () => [...roster.lanes.values()].map((lane) => lane.model());
  const changed = () => {
    const now = models();
    metrics.keep(new Set(roster.lanes.keys()));
    for (const listener of listeners) listener(now);
  };

  const report = (deployment: DeploymentEvent, code: FailureCode, reason: string) => {
    if (!options.reportFailures) return;
    const { model_id, deployment_id, ip } = deployment;
    const entry: FailureReport = { model_id, failure_code: code, failure_reason: reason, ip: ip ?? "", deployment_id };
    orchestrator?.report(entry);
  };

  const roster = createRoster({
    logger,
    onChange: changed,
    createLane: (deployment) =>
      createLane(deployment, { ...options, setup, fleets, history, report, onChange: () => queueMicrotask(changed) }),
  });

  const chosen = (ids: readonly string[] | undefined): [string, Lane | undefined][] =>
    ids === undefined
      ? [...roster.lanes].filter(([, lane]) => lane.isOpen())
      : [...new Set(ids)].map((id) => [id, roster.lanes.get(id)]);

  /** A call with a key is data: it is kept for models that miss it. */
  function keyed(request: CallRequest, key: string | undefined) {
    const bytes = once(() => callBytes(request));
    return key === undefined ? { bytes } : { bytes, key, number: history.add({ key, request, bytes }) };
  }

  /** Results by model, in the order of `lanes`. */
  function deliverAll(
    lanes: readonly [string, Lane | undefined][],
    delivery: Delivery,
  ): Promise<Map<string, CallResult[]>> {
    return new Promise((resolve) => {
      const found = new Map<string, CallResult[]>();
      let open = lanes.length;
      const take = (id: string, results: CallResult[]) => {
        found.set(id, results);
        for (const result of results) metrics.record(result);
        if (--open === 0) resolve(found);
      };
      for (const [id] of lanes) found.set(id, []);
      for (const [id, lane] of lanes) {
        if (lane) lane.deliver(delivery, (results) => take(id, results));
        else
          take(
            id,
            delivery.calls.map(() => unknownModel(id)),
          );
      }
      delivery.fleet.send(); // every lane has taken its seat
      if (lanes.length === 0) resolve(found);
    });
  }

  async function callAll(request: CallAllRequest): Promise<Map<string, CallResult[]>> {
    const deadlineAt = Date.now() + request.deadlineMs;
    const requests = request.calls.map(({ method, args, kwargs }) => callRequest(method, args, kwargs));
    const calls = request.calls.map(({ method, key }, i) => ({
      method,
      ...keyed(requests[i]!, key),
    }));
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort("deadline"), request.deadlineMs);
    const giveUp = () => stop.abort("caller");
    if (request.signal?.aborted) giveUp();
    request.signal?.addEventListener("abort", giveUp, { once: true });
    const common = { deadlineAt, stopOnFailure: request.stopOnFailure ?? false, signal: stop.signal };
    const fleet = createFleetFanOut({
      ...common,
      roundId: request.roundId ?? "",
      calls: requests.map((call, i) => ({ call, key: request.calls[i]?.key ?? "" })),
    });
    const delivery: Delivery = { ...common, calls, fleet };
    try {
      return await deliverAll(chosen(request.models), delivery);
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", giveUp);
    }
  }

  return {
    async init() {
      const transportTo = options.orchestrator === "grpc" ? grpcTransport : webSocketTransport;
      orchestrator ??= followOrchestrator({
        transport: transportTo(options.host, options.port, options.crunchId),
        tries: options.orchestratorTries,
        logger,
        take: roster.take,
      });
      await orchestrator.first;
    },
    sync: () => closed,
    models,
    metrics: metrics.list,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    callAll,
    async call({ method, arguments: args = [], kwargs = [], models: ids }) {
      const results = await callAll({
        calls: [{ method, args, kwargs }],
        deadlineMs: options.callTimeoutMs,
        ...(ids === undefined ? {} : { models: ids }),
      });
      return [...results.values()].flat();
    },
    async [Symbol.asyncDispose]() {
      orchestrator?.close();
      roster.close();
      options.security?.close();
      listeners.clear();
      finish();
    },
  };
}

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

const unknownModel = (modelId: string): CallResult => ({
  modelId,
  deploymentId: "",
  modelName: modelId,
  cruncherName: "",
  cruncherId: "",
  status: "SKIPPED",
  output: null,
  execTimeUs: 0,
  waitUs: null,
  detail: "NOT_CONNECTED: the orchestrator runs no such model",
});
