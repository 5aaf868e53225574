import type { Logger } from "pino";
import { type Argument, encodeCall, encodeSetup, type KwArgument } from "../protocol/messages.ts";
import type { DeploymentEvent, FailureCode, FailureReport } from "../protocol/orchestrator-messages.ts";
import type { CallResult, FleetCall, FleetModel } from "./fleet.ts";
import { createLane, type Delivery, type Lane } from "./lane.ts";
import { followOrchestrator, type OrchestratorSocket } from "./orchestrator-socket.ts";
import { createRoster } from "./roster.ts";

export interface FleetClientOptions {
  /** where the orchestrator's WebSocket listens */
  readonly host: string;
  readonly port: number;
  readonly crunchId: string;
  /** full dotted name of the class that models extend */
  readonly baseClassname: string;
  readonly logger: Logger;
  readonly instanceArgs?: readonly Argument[];
  readonly instanceKwargs?: readonly KwArgument[];
  /** a model is disconnected at this many in a row; 0: never */
  readonly maxConsecutiveFailures?: number;
  readonly maxConsecutiveTimeouts?: number;
  /** deadline of `call` */
  readonly callTimeoutMs?: number;
  readonly setupTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly connectTries?: number;
  /** connections to the orchestrator before `init` rejects */
  readonly orchestratorTries?: number;
  readonly reportFailures?: boolean;
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
  readonly signal?: AbortSignal;
}

export interface FleetClient extends AsyncDisposable {
  /** Connects to the orchestrator; resolves with its first list of models. Rejects, naming cause and cure, when none answers. */
  init(): Promise<void>;
  /** Runs until the client is closed; the orchestrator is followed, with reconnects, from `init` on. */
  sync(): Promise<void>;
  models(): FleetModel[];
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
};

export function createFleetClient(given: FleetClientOptions): FleetClient {
  const options = { ...STANDARD, ...given };
  const { logger } = options;
  const setup = encodeSetup(options.baseClassname, options.instanceArgs, options.instanceKwargs);
  const listeners = new Set<(models: FleetModel[]) => void>();
  const { promise: closed, resolve: finish } = Promise.withResolvers<void>();
  let socket: OrchestratorSocket | undefined;

  const models = () => [...roster.lanes.values()].map((lane) => lane.model());
  const changed = () => {
    const now = models();
    for (const listener of listeners) listener(now);
  };

  const report = (deployment: DeploymentEvent, code: FailureCode, reason: string) => {
    if (!options.reportFailures) return;
    const { model_id, deployment_id, ip } = deployment;
    const entry: FailureReport = { model_id, failure_code: code, failure_reason: reason, ip: ip ?? "", deployment_id };
    socket?.send(JSON.stringify({ event: "report_failure", data: [entry] }));
  };

  const roster = createRoster({
    logger,
    onChange: changed,
    createLane: (deployment) =>
      createLane(deployment, { ...options, setup, report, onChange: () => queueMicrotask(changed) }),
  });

  const chosen = (ids: readonly string[] | undefined): [string, Lane | undefined][] =>
    ids === undefined
      ? [...roster.lanes].filter(([, lane]) => ["CONNECTED", "COOLDOWN"].includes(lane.model().state))
      : [...new Set(ids)].map((id) => [id, roster.lanes.get(id)]);

  async function callAll(request: CallAllRequest): Promise<Map<string, CallResult[]>> {
    const deadlineAt = Date.now() + request.deadlineMs;
    const calls = request.calls.map(({ method, args, kwargs, key }) => ({
      method,
      bytes: encodeCall(method, args, kwargs),
      ...(key === undefined ? {} : { key }),
    }));
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort("deadline"), request.deadlineMs);
    const giveUp = () => stop.abort("caller");
    if (request.signal?.aborted) giveUp();
    request.signal?.addEventListener("abort", giveUp, { once: true });
    const delivery: Delivery = {
      calls,
      deadlineAt,
      stopOnFailure: request.stopOnFailure ?? false,
      signal: stop.signal,
    };
    try {
      const results = await Promise.all(
        chosen(request.models).map(
          async ([id, lane]) => [id, lane ? await lane.deliver(delivery) : calls.map(() => unknownModel(id))] as const,
        ),
      );
      return new Map(results);
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", giveUp);
    }
  }

  return {
    async init() {
      const url = `ws://${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}/${encodeURIComponent(options.crunchId)}`;
      socket ??= followOrchestrator({ url, tries: options.orchestratorTries, logger, take: roster.take });
      await socket.first;
    },
    sync: () => closed,
    models,
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
      socket?.close();
      roster.close();
      listeners.clear();
      finish();
    },
  };
}

const unknownModel = (modelId: string): CallResult => ({
  modelId,
  deploymentId: "",
  modelName: modelId,
  cruncherName: "",
  cruncherId: "",
  status: "SKIPPED",
  output: null,
  execTimeUs: 0,
  detail: "NOT_CONNECTED: the orchestrator runs no such model",
});
