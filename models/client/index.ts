/** The client as the package exports it (`import { createClient } from "almanac"`): follows an orchestrator, calls its models. */
import { type Logger, pino } from "pino";
import type { Argument, KwArgument } from "../protocol/messages.ts";
import type { CallResult, CallStatus, FleetModel } from "./fleet.ts";
import { createFleetClient, type FleetClientOptions } from "./fleet-client.ts";
import type { ModelMetrics } from "./model-metrics.ts";

export { float } from "../protocol/json-write.ts";
export type { Argument, KwArgument } from "../protocol/messages.ts";
export { Table } from "../protocol/tables.ts";
export { VariantError } from "../protocol/variant-error.ts";
export type { CallStatus, FleetModel, FleetModelState } from "./fleet.ts";
export type { LatencySummary } from "./latency-histogram.ts";
export type { ModelMetrics } from "./model-metrics.ts";

/** What one model made of one call, in the words that rows, reports and other languages use for it. */
export interface ModelResult {
  readonly model_id: string;
  readonly deployment_id: string;
  readonly status: CallStatus;
  /** decoded value; null unless SUCCESS */
  readonly output: unknown;
  /** microseconds; inside the method where the runner tells, else until the answer */
  readonly exec_time_us: number;
  readonly model_name: string;
  readonly cruncher_name: string;
  readonly cruncher_id: string;
  /** reason, begins with a code in capitals */
  readonly detail: string | null;
}

/** As `FleetClientOptions`; without a logger, warnings go to stderr. */
export type ClientOptions = Omit<FleetClientOptions, "logger"> & { readonly logger?: Logger };

export interface Client extends AsyncDisposable {
  /** Connects to the orchestrator; resolves with its first list of models. Rejects, naming cause and cure, when none answers. */
  init(): Promise<void>;
  /** Runs until the client is closed; models that come and go are followed from `init` on. */
  sync(): Promise<void>;
  /** Resolves when no announced model is still being connected, or after `withinMs`. */
  settled(withinMs: number): Promise<void>;
  models(): FleetModel[];
  /** Times and counts by model. */
  metrics(): ModelMetrics[];
  /**
   * One call to each model, under the client's `callTimeoutMs` or the call's own. A model's fault is its own result.
   * `models` absent: all that are connected; empty: nobody. A call with a `key` is data: a model that has the key is spared
   * it, and one that missed it (slow, or new) is given it before it is asked. @throws VariantError naming the argument that cannot be sent
   */
  call(request: {
    readonly method: string;
    readonly arguments?: readonly Argument[];
    readonly kwargs?: readonly KwArgument[];
    readonly models?: readonly string[];
    readonly key?: string;
    readonly timeoutMs?: number;
  }): Promise<ModelResult[]>;
}

const STANDARD_TIMEOUT_MS = 60_000;
const STANDARD_LEVEL = "warn";

export function createClient({ logger, ...options }: ClientOptions): Client {
  const fleet = createFleetClient({
    ...options,
    logger: logger ?? pino({ level: STANDARD_LEVEL }, pino.destination(process.stderr.fd)),
  });
  const timeoutMs = options.callTimeoutMs ?? STANDARD_TIMEOUT_MS;
  const connecting = () => fleet.models().some(({ state }) => state === "CONNECTING");
  return {
    init: fleet.init,
    sync: fleet.sync,
    models: fleet.models,
    metrics: fleet.metrics,
    settled: (withinMs) =>
      new Promise((resolve) => {
        const look = () => {
          if (connecting()) return;
          clearTimeout(timer);
          forget();
          resolve();
        };
        const forget = fleet.onChange(look);
        const timer = setTimeout(() => {
          forget();
          resolve();
        }, withinMs);
        look();
      }),
    async call({ method, arguments: args = [], kwargs = [], models, key, timeoutMs: own = timeoutMs }) {
      const results = await fleet.callAll({
        calls: [{ method, args, kwargs, ...(key === undefined ? {} : { key }) }],
        deadlineMs: own,
        ...(models === undefined ? {} : { models }),
      });
      return [...results.values()].flat().map(toModelResult);
    },
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  };
}

const toModelResult = (result: CallResult): ModelResult => ({
  model_id: result.modelId,
  deployment_id: result.deploymentId,
  status: result.status,
  output: result.output,
  exec_time_us: result.execTimeUs,
  model_name: result.modelName,
  cruncher_name: result.cruncherName,
  cruncher_id: result.cruncherId,
  detail: result.detail,
});
