import { setTimeout as sleep } from "node:timers/promises";
import { type ServiceError, status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { SetupRequest, WireStatus } from "../protocol/messages.ts";
import type { DeploymentEvent, FailureCode } from "../protocol/orchestrator-messages.ts";
import type { ClientSecurity } from "../secure/client-security.ts";
import { replay, wasReached } from "./catch-up.ts";
import { type DeliveredCall, type DeliveringLane, type Delivery, deliver } from "./deliver.ts";
import { type CallResult, cleanDetail, type FleetModel, type FleetModelState } from "./fleet.ts";
import type { FleetConnections } from "./fleet-connection.ts";
import { askHealth } from "./health.ts";
import { type Compat, createLimits } from "./limits.ts";
import { addressOf, fleetAddressOf, type Link, openLink } from "./link.ts";
import { isSuccess, type Outcome } from "./outcome.ts";
import { NOTHING_SEEN, type TickHistory } from "./tick-history.ts";

export interface LaneOptions {
  readonly setup: { readonly request: SetupRequest; readonly bytes: Buffer };
  /** absent: every model is called over its public address */
  readonly fleets?: FleetConnections | undefined;
  /** how models prove themselves; absent: not at all */
  readonly security?: ClientSecurity | undefined;
  readonly setupTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connectTries: number;
  readonly maxConsecutiveFailures: number;
  readonly maxConsecutiveTimeouts: number;
  readonly compat?: Compat;
  /** ticks of the fleet, for models that miss some */
  readonly history: TickHistory;
  readonly logger: Logger;
  readonly report: (deployment: DeploymentEvent, code: FailureCode, reason: string) => void;
  readonly onChange: () => void;
}
/** The one way to a model: its calls never overlap and never change places. */
export interface Lane {
  model(): FleetModel;
  /** Whether it takes calls, be it to skip them. */
  isOpen(): boolean;
  /** Takes news of the orchestrator; a new address or deployment makes a new connection. */
  follow(deployment: DeploymentEvent): void;
  /** `done` gets one result a call, once, perhaps at once. A lane that is still at an earlier delivery, or cools down, skips all of it. */
  deliver(delivery: Delivery, done: (results: CallResult[]) => void): void;
  close(): void;
}

const RETRY_MS = 60_000;
const BAD_IMPLEMENTATION = "BAD_IMPLEMENTATION";
/** Fan-outs that begin together (rounds due at the same moment) wait for their turn; a later one finds the lane busy. */
const BURST_MS = 250;
const MAX_IN_LANE = 32;
/** For the ticks that a new connection is given; later ones get the time of the fan-out that was missed. */
const CATCH_UP_MS = 10_000;

const identityOf = ({ model_id, deployment_id, infos }: DeploymentEvent) => ({
  modelId: model_id,
  deploymentId: deployment_id,
  modelName: infos?.model_name ?? model_id,
  cruncherId: infos?.cruncher_id ?? "",
  cruncherName: infos?.cruncher_name ?? infos?.cruncher_id ?? "",
});

export function createLane(first: DeploymentEvent, options: LaneOptions): Lane {
  const { logger } = options;
  const limits = createLimits(options.maxConsecutiveFailures, options.maxConsecutiveTimeouts, options.compat);
  let deployment = first;
  let state: FleetModelState = "CONNECTING";
  let reason: string | undefined;
  let link: Link | undefined;
  /** the runner announces the fleet service and does not serve it */
  let refusesFleet = false;
  let attempt = new AbortController();
  let turn: Promise<void> = Promise.resolve();
  let inLane = 0;
  let busySince = 0;
  const leave = () => {
    inLane--;
    settle();
  };
  let lastKey: string | undefined;
  /** number of the newest tick that the model has got */
  let seen = NOTHING_SEEN;
  /** a fan-out with a tick has left it out; the time that fan-out had */
  let missed: { readonly ms: number } | undefined;
  let isCatchingUp = false;
  let incarnation: string | undefined;

  const become = (next: FleetModelState, why?: string) => {
    state = next;
    reason = why;
    options.onChange();
  };

  let who = identityOf(first);
  const model = (): FleetModel => ({
    ...who,
    state: state === "CONNECTED" && limits.coolingDown() ? "COOLDOWN" : state,
    address: addressOf(deployment),
    ...(deployment.almanac ? { sandbox: deployment.almanac.sandbox } : {}),
    ...(reason === undefined ? {} : { reason }),
  });

  function disconnect(next: FleetModelState, why?: string): void {
    attempt.abort();
    link?.close();
    link = undefined;
    lastKey = undefined;
    if (next === "RECOVERING") seen = NOTHING_SEEN;
    missed = undefined;
    incarnation = undefined;
    become(next, why);
  }

  function connect(): void {
    limits.reset();
    reconnect();
  }

  /** What was counted stays: a model that hangs is no better for a new connection. */
  function reconnect(): void {
    disconnect("CONNECTING");
    attempt = new AbortController();
    const own = attempt.signal;
    void connectWithTries(own).catch((error: Error) => {
      if (!own.aborted) giveUp("CONNECTION_FAILED", error.message, RETRY_MS);
    });
  }

  // Asked with every call: the orchestrator's latest word counts.
  const security = options.security?.forModel(() => ({
    modelId: deployment.model_id,
    wallet: deployment.infos?.cruncher_wallet_pubkey ?? null,
    hotkey: deployment.infos?.cruncher_hotkey ?? null,
  }));

  async function connectWithTries(own: AbortSignal): Promise<void> {
    for (let tried = 1; ; tried++) {
      const next = openLink(deployment, options.setup, refusesFleet ? undefined : options.fleets, security);
      link = next;
      try {
        await next.ready(options.connectTimeoutMs);
        const said = await next.setup(options.setupTimeoutMs);
        if (!own.aborted && isSuccess(said)) await catchUp(next, CATCH_UP_MS, seen - 1); // the last one may be lost
        if (own.aborted) return next.close();
        return isSuccess(said) ? become("CONNECTED") : refused(said);
      } catch (error) {
        next.close();
        if (own.aborted) return;
        if ((error as Partial<ServiceError>).code === status.UNIMPLEMENTED) refusesFleet = true;
        if (tried >= options.connectTries) throw error;
        reason = cleanDetail((error as Error).message);
        await sleep(2 ** tried * 250 * (0.5 + Math.random()), undefined, { signal: own }).catch(() => undefined);
        if (own.aborted) return;
      }
    }
  }

  function refused({ code, message }: WireStatus): void {
    const why = `${code}: ${message}`;
    if (code === "INVALID_ARGUMENT") {
      // Our own mistake: nothing is held against the model.
      logger.error({ model: deployment.model_id, reason: cleanDetail(why) }, "the set-up of models is refused");
      disconnect("DISCONNECTED", cleanDetail(why));
    } else giveUp(code === BAD_IMPLEMENTATION ? code : "MULTIPLE_FAILED", why);
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

  const resultOf: DeliveringLane["resultOf"] = (status, detail, times, output = null) => {
    const { modelId, deploymentId, modelName, cruncherName, cruncherId } = who;
    const { execTimeUs, waitUs } = times ?? { execTimeUs: 0, waitUs: null };
    return { modelId, deploymentId, modelName, cruncherName, cruncherId, status, output, execTimeUs, waitUs, detail };
  };

  function learn(own: Link, call: DeliveredCall, found: Outcome, told?: string): Outcome {
    // The public client counts a lost connection as a timeout.
    const outcome: Outcome =
      options.compat && found.cause === "TRANSPORT" ? { ...found, status: "TIMEOUT", cause: "DEADLINE" } : found;
    if (link !== own) return outcome;
    const reached = wasReached(outcome);
    if (reached) hasSeen(call.number);
    if (reached && call.key !== undefined) lastKey = call.key;
    // The process that got the last tick is gone, or may be.
    if (!reached || (told !== undefined && incarnation !== undefined && told !== incarnation)) lastKey = undefined;
    // Our runner ends a process that is late; a public one goes on with the model it has.
    if (outcome.cause === "DEADLINE" && deployment.almanac) seen = NOTHING_SEEN;
    incarnation = told ?? incarnation;
    return outcome;
  }

  const hasSeen = (number: number | undefined) => {
    seen = Math.max(seen, number ?? NOTHING_SEEN);
  };

  /** What it missed, outside of any round. */
  const catchUp = (own: Link, timeoutMs: number, from = seen): Promise<void> =>
    replay(own, deployment.deployment_id, options.history.since(from), {
      timeoutMs,
      signal: attempt.signal,
      onSeen({ number, key }) {
        if (link !== own) return;
        hasSeen(number);
        lastKey = key;
      },
    });

  /** A model that was left out gets its ticks as soon as it rests. */
  function settle(): void {
    if (!missed || inLane > 0 || state !== "CONNECTED" || !link || limits.coolingDown()) return;
    const { ms } = missed;
    missed = undefined;
    inLane++;
    busySince = Date.now();
    isCatchingUp = true;
    turn = catchUp(link, ms).then(() => {
      isCatchingUp = false;
      leave();
    });
  }

  /** Counts a timeout, and now and then asks whether it is the model or its connection. */
  function countTimeout(count: () => boolean, why: string): void {
    const counted = () => {
      if (count()) giveUp("MULTIPLE_TIMEOUT", why);
    };
    // The public client asks first, and does not count where the answer is bad.
    if (options.compat && limits.probeDue()) probe(counted);
    else counted();
    if (!options.compat && link && limits.probeDue()) probe();
  }

  function probe(healthy?: () => void): void {
    const own = link;
    void askHealth(addressOf(deployment), security).then((health) => {
      if (link !== own || !own) return;
      // Our runner is about to start the model's process again, by itself.
      if (health === "SERVING" || (health === "NOT_SERVING" && deployment.almanac)) healthy?.();
      else if (options.compat) connect();
      else if (inLane === 0) reconnect();
    });
  }

  function judge(own: Link, { status, detail, cause }: Outcome, cancelled: boolean): boolean {
    if (link !== own) return false;
    const why = detail ?? "";
    if (status === "SUCCESS") limits.success();
    else if (cause === "DEADLINE") {
      if (!cancelled) countTimeout(limits.timeout, why);
    } else if (cause === "BAD_IMPLEMENTATION") giveUp(cause, why);
    else if (cause === "AUTH") giveUp("CONNECTION_FAILED", why, RETRY_MS);
    else if (cause === "NOT_SET_UP") {
      seen = NOTHING_SEEN;
      connect();
    } else if (cause !== "USAGE" && limits.failure()) giveUp("MULTIPLE_FAILED", why);
    return link === own;
  }

  const delivering: DeliveringLane = {
    resultOf,
    isOrdered: () => Boolean(deployment.almanac),
    isSpared: ({ key }) => key !== undefined && key === lastKey,
    learn,
    judge,
  };

  connect();
  return {
    model,
    isOpen: () => state === "CONNECTED",
    follow(next) {
      const moved =
        next.deployment_id !== deployment.deployment_id ||
        addressOf(next) !== addressOf(deployment) ||
        fleetAddressOf(next) !== fleetAddressOf(deployment);
      if (moved) refusesFleet = false;
      if (next.deployment_id !== deployment.deployment_id) seen = NOTHING_SEEN;
      const wasUp = state === "CONNECTED" || state === "CONNECTING";
      deployment = next;
      who = identityOf(next);
      if (next.state === "RECOVERING") disconnect("RECOVERING", "the orchestrator is restarting it");
      else if (moved || !wasUp) connect();
      else options.onChange();
    },
    deliver(delivery, done) {
      const skipped = (detail: string) => delivery.calls.map(() => resultOf("SKIPPED", detail));
      const away = () => skipped(`NOT_CONNECTED: ${state}${reason === undefined ? "" : ` (${reason})`}`);
      if (state !== "CONNECTED") return done(away());
      const leftOut = (detail: string) => {
        if (delivery.calls.some(({ number }) => number !== undefined))
          missed = { ms: Math.min(CATCH_UP_MS, Math.max(1, delivery.deadlineAt - Date.now())) };
        const results = skipped(detail);
        settle();
        return results;
      };
      if (inLane > 0 && (Date.now() - busySince > BURST_MS || inLane >= MAX_IN_LANE))
        return done(leftOut("BUSY: still at an earlier fan-out"));
      if (limits.skip()) {
        const results = leftOut(`PREEMPTIVE_SKIP: ${limits.timeouts()} consecutive timeouts`);
        if (options.compat) countTimeout(limits.skipped, "skipped after timeouts");
        return done(results);
      }
      if (inLane++ === 0) busySince = Date.now();
      const send = (sent: (results: CallResult[]) => void) => {
        if (state === "CONNECTED" && link) deliver(link, deployment.deployment_id, delivery, delivering, sent);
        else sent(away());
      };
      // The fan-out of a fleet goes out in this very moment; its runner keeps the order.
      if (link?.kind === "fleet") {
        send((results) => {
          leave();
          done(results);
        });
        return;
      }
      const waits = isCatchingUp;
      const mine = turn.then(() =>
        waits && delivery.signal.aborted
          ? leftOut("BUSY: it was given the ticks that it had missed")
          : new Promise<CallResult[]>(send),
      );
      turn = mine.then(leave, leave);
      void mine.then(done);
    },
    close() {
      attempt.abort();
      link?.close();
      link = undefined;
    },
  };
}
