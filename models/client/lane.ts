import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { DeploymentEvent, FailureCode } from "../protocol/orchestrator-messages.ts";
import { type CallResult, type CallStatus, cleanDetail, type FleetModel, type FleetModelState } from "./fleet.ts";
import { createLimits } from "./limits.ts";
import { connectModel, type ModelConnection } from "./model-connection.ts";
import { deadlineExceeded, isSuccess, type Outcome } from "./outcome.ts";

/** A call of a fan-out, its bytes shared by all lanes. */
interface EncodedCall {
  readonly method: string;
  readonly key?: string;
  readonly bytes: Buffer;
}
export interface Delivery {
  readonly calls: readonly EncodedCall[];
  /** epoch ms */
  readonly deadlineAt: number;
  readonly stopOnFailure: boolean;
  /** Aborted at the deadline, or by the caller before it. */
  readonly signal: AbortSignal;
}
export interface LaneOptions {
  readonly setup: Buffer;
  readonly setupTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connectTries: number;
  readonly maxConsecutiveFailures: number;
  readonly maxConsecutiveTimeouts: number;
  readonly logger: Logger;
  readonly report: (deployment: DeploymentEvent, code: FailureCode, reason: string) => void;
  readonly onChange: () => void;
}
/** The one way to a model: its calls never overlap and never change places. */
export interface Lane {
  model(): FleetModel;
  /** Takes news of the orchestrator; a new address or deployment makes a new connection. */
  follow(deployment: DeploymentEvent): void;
  /** One result a call. A lane that is still at an earlier delivery, or cools down, skips all of it. Never rejects. */
  deliver(delivery: Delivery): Promise<CallResult[]>;
  close(): void;
}

const addressOf = ({ ip, port }: DeploymentEvent) => `${ip?.includes(":") ? `[${ip}]` : ip}:${port}`;
const RETRY_MS = 60_000;
/** Fan-outs that begin together (rounds due at the same moment) wait for their turn; a later one finds the lane busy. */
const BURST_MS = 250;
const MAX_IN_LANE = 32;

export function createLane(first: DeploymentEvent, options: LaneOptions): Lane {
  const { logger } = options;
  const limits = createLimits(options.maxConsecutiveFailures, options.maxConsecutiveTimeouts);
  let deployment = first;
  let state: FleetModelState = "CONNECTING";
  let reason: string | undefined;
  let connection: ModelConnection | undefined;
  let attempt = new AbortController();
  let turn: Promise<void> = Promise.resolve();
  let inLane = 0;
  let busySince = 0;
  const leave = () => {
    inLane--;
  };
  let lastKey: string | undefined;
  let incarnation: string | undefined;

  const become = (next: FleetModelState, why?: string) => {
    state = next;
    reason = why;
    options.onChange();
  };

  const model = (): FleetModel => ({
    modelId: deployment.model_id,
    deploymentId: deployment.deployment_id,
    modelName: deployment.infos?.model_name ?? deployment.model_id,
    cruncherId: deployment.infos?.cruncher_id ?? "",
    cruncherName: deployment.infos?.cruncher_name ?? deployment.infos?.cruncher_id ?? "",
    state: state === "CONNECTED" && limits.coolingDown() ? "COOLDOWN" : state,
    address: addressOf(deployment),
    ...(deployment.almanac ? { sandbox: deployment.almanac.sandbox } : {}),
    ...(reason === undefined ? {} : { reason }),
  });

  function disconnect(next: FleetModelState, why?: string): void {
    attempt.abort();
    connection?.close();
    connection = undefined;
    lastKey = undefined;
    incarnation = undefined;
    become(next, why);
  }

  function connect(): void {
    disconnect("CONNECTING");
    limits.reset();
    attempt = new AbortController();
    const own = attempt.signal;
    void connectWithTries(own).catch((error: Error) => {
      if (!own.aborted) giveUp("CONNECTION_FAILED", error.message, RETRY_MS);
    });
  }

  async function connectWithTries(own: AbortSignal): Promise<void> {
    for (let tried = 1; ; tried++) {
      const next = connectModel(addressOf(deployment));
      connection = next;
      try {
        await next.ready(options.connectTimeoutMs);
        const status = await next.setup(options.setup, options.setupTimeoutMs);
        if (own.aborted) return next.close();
        return isSuccess(status)
          ? become("CONNECTED")
          : giveUp(
              status.code === "BAD_IMPLEMENTATION" ? "BAD_IMPLEMENTATION" : "MULTIPLE_FAILED",
              `${status.code}: ${status.message}`,
            );
      } catch (error) {
        next.close();
        if (own.aborted) return;
        if (tried >= options.connectTries) throw error;
        reason = cleanDetail((error as Error).message);
        await sleep(2 ** tried * 250 * (0.5 + Math.random()), undefined, { signal: own }).catch(() => undefined);
        if (own.aborted) return;
      }
    }
  }

  function giveUp(code: FailureCode, why: string, retryMs?: number): void {
    const clean = cleanDetail(why);
    logger.warn(
      { model: deployment.model_id, deployment: deployment.deployment_id, code, reason: clean },
      "model is given up",
    );
    disconnect("DISCONNECTED", `${code}: ${clean}`);
    options.report(deployment, code, clean);
    if (retryMs === undefined) return;
    attempt = new AbortController();
    void sleep(retryMs, undefined, { signal: attempt.signal, ref: false }).then(connect, () => undefined);
  }

  const resultOf = (status: CallStatus, detail: string | null, output: unknown = null, execTimeUs = 0): CallResult => {
    const { modelId, deploymentId, modelName, cruncherName, cruncherId } = model();
    return { modelId, deploymentId, modelName, cruncherName, cruncherId, status, output, execTimeUs, detail };
  };

  async function deliverOne(
    call: EncodedCall,
    own: ModelConnection,
    delivery: Delivery,
    before: { answeredAt: bigint },
  ): Promise<{ result: CallResult; outcome?: Outcome }> {
    if (call.key !== undefined && call.key === lastKey) return { result: resultOf("SUCCESS", "ALREADY_DELIVERED") };
    const start = process.hrtime.bigint();
    const { outcome, incarnation: told } = await own.call(call.bytes, delivery.deadlineAt, delivery.signal);
    const answeredAt = process.hrtime.bigint();
    // biome-ignore lint/complexity/useMathMinMax: bigints
    const began = before.answeredAt > start ? before.answeredAt : start; // sent early, it waited for the call before it
    const took = Number((answeredAt - began) / 1000n);
    before.answeredAt = answeredAt;
    if (connection === own) learn(call, outcome, told);
    return { result: resultOf(outcome.status, outcome.detail, outcome.output, took), outcome };
  }

  function learn(call: EncodedCall, outcome: Outcome, told: string | undefined): void {
    const reached = outcome.cause === "ANSWER" || outcome.cause === "MODEL";
    if (call.key !== undefined && reached) lastKey = call.key;
    // The process that got the last tick is gone, or may be.
    if (!reached || (told !== undefined && incarnation !== undefined && told !== incarnation)) lastKey = undefined;
    incarnation = told ?? incarnation;
  }

  /** Counts, and draws the consequence. */
  function judge({ status, detail, cause }: Outcome, cancelled: boolean): void {
    const why = detail ?? "";
    if (status === "SUCCESS") limits.success();
    else if (cause === "DEADLINE") {
      if (!cancelled && limits.timeout()) giveUp("MULTIPLE_TIMEOUT", why);
    } else if (cause === "BAD_IMPLEMENTATION") giveUp("BAD_IMPLEMENTATION", why);
    else if (cause === "NOT_SET_UP") connect();
    else if (cause !== "USAGE" && limits.failure()) giveUp("MULTIPLE_FAILED", why);
  }

  const aborted = () => resultOf("SKIPPED", "ABORTED: the caller gave up");
  const tooLate = ({ signal }: Delivery, what: string): CallResult | undefined => {
    if (!signal.aborted) return undefined;
    return signal.reason === "caller" ? aborted() : resultOf("TIMEOUT", `${deadlineExceeded().detail}; ${what}`);
  };

  /** The result of all later calls when this one stops them. */
  const following = (
    { method }: EncodedCall,
    { status, detail }: CallResult,
    stop: boolean,
  ): CallResult | undefined => {
    if (status === "TIMEOUT")
      return resultOf("TIMEOUT", `${deadlineExceeded().detail}; not sent, ${method} took the time`);
    return status === "FAILURE" && stop
      ? resultOf("SKIPPED", cleanDetail(`PREVIOUS_CALL_FAILED: ${method}: ${detail}`))
      : undefined;
  };

  async function deliverAll(own: ModelConnection, delivery: Delivery): Promise<CallResult[]> {
    const results: CallResult[] = [];
    let stopped: CallResult | undefined;
    const before = { answeredAt: 0n };
    // Our runner queues the calls of a model in order: all go out at once and a journey is saved. Public runners would be busy.
    const sent =
      deployment.almanac && !delivery.stopOnFailure && !delivery.signal.aborted
        ? delivery.calls.map((call) => deliverOne(call, own, delivery, before))
        : undefined;
    for (const [i, call] of delivery.calls.entries()) {
      stopped ??= sent ? undefined : tooLate(delivery, "not sent");
      if (stopped) {
        results.push(stopped);
        continue;
      }
      const { result, outcome } = await (sent?.[i] ?? deliverOne(call, own, delivery, before));
      const cancelled = outcome?.status === "TIMEOUT" && delivery.signal.reason === "caller";
      if (outcome && connection === own) judge(outcome, cancelled);
      results.push(cancelled ? aborted() : result);
      stopped = cancelled ? aborted() : following(call, result, delivery.stopOnFailure || connection !== own);
    }
    return results;
  }

  connect();
  return {
    model,
    follow(next) {
      const moved = next.deployment_id !== deployment.deployment_id || addressOf(next) !== addressOf(deployment);
      const wasUp = state === "CONNECTED" || state === "CONNECTING";
      deployment = next;
      if (next.state === "RECOVERING") disconnect("RECOVERING", "the orchestrator is restarting it");
      else if (moved || !wasUp) connect();
      else options.onChange();
    },
    async deliver(delivery) {
      const skipped = (detail: string) => delivery.calls.map(() => resultOf("SKIPPED", detail));
      const away = () => skipped(`NOT_CONNECTED: ${state}${reason === undefined ? "" : ` (${reason})`}`);
      if (state !== "CONNECTED") return away();
      if (inLane > 0 && (Date.now() - busySince > BURST_MS || inLane >= MAX_IN_LANE))
        return skipped("BUSY: still at an earlier fan-out");
      if (limits.skip()) return skipped("PREEMPTIVE_SKIP: cooling down after timeouts");
      if (inLane++ === 0) busySince = Date.now();
      const mine = turn.then(() => (state === "CONNECTED" && connection ? deliverAll(connection, delivery) : away()));
      turn = mine.then(leave, leave);
      return mine;
    },
    close() {
      attempt.abort();
      connection?.close();
      connection = undefined;
    },
  };
}
