import { type CallResult, type CallStatus, cleanDetail } from "./fleet.ts";
import type { FleetOutcome } from "./fleet-connection.ts";
import type { FleetFanOut } from "./fleet-fan-out.ts";
import type { Link } from "./link.ts";
import { deadlineExceeded, type Outcome } from "./outcome.ts";

/** A call of a fan-out, shared by all lanes. */
export interface DeliveredCall {
  readonly method: string;
  readonly key?: string;
  /** of a call with a key: its number in the history */
  readonly number?: number;
  /** encoded, made when the first lane asks */
  readonly bytes: () => Buffer;
}
export interface Delivery {
  readonly calls: readonly DeliveredCall[];
  /** the way to the models that share a connection */
  readonly fleet: FleetFanOut;
  /** epoch ms */
  readonly deadlineAt: number;
  readonly stopOnFailure: boolean;
  /** Aborted at the deadline, or by the caller before it. */
  readonly signal: AbortSignal;
}

/** What a delivery must know of its lane, and tell it. */
export interface DeliveringLane {
  resultOf(status: CallStatus, detail: string | null, times?: Times, output?: unknown): CallResult;
  /** its runner keeps the order of calls that are sent together */
  isOrdered(): boolean;
  /** the model has this key already */
  isSpared(call: DeliveredCall): boolean;
  /** Takes what came of a call; gives it as it counts. */
  learn(link: Link, call: DeliveredCall, outcome: Outcome, incarnation?: string): Outcome;
  /** Counts, and draws the consequence. Gives false when the link is no longer the lane's. */
  judge(link: Link, outcome: Outcome, cancelled: boolean): boolean;
}
/** Microseconds, as in CallResult. */
interface Times {
  readonly execTimeUs: number;
  readonly waitUs: number | null;
}
interface Made {
  readonly outcome: Outcome;
  readonly times: Times;
  /** the model had it already: nothing was called */
  readonly isRepeated: boolean;
}

const SPARED: Made = {
  outcome: { status: "SUCCESS", output: null, detail: "ALREADY_DELIVERED", cause: "ANSWER" },
  times: { execTimeUs: 0, waitUs: null },
  isRepeated: true,
};
const LATE = deadlineExceeded().detail;

/** `done` gets one result a call, in their order: once, and whatever happens. */
export function deliver(
  link: Link,
  deploymentId: string,
  delivery: Delivery,
  lane: DeliveringLane,
  done: (results: CallResult[]) => void,
): void {
  if (link.kind === "public") void overPublic(link, delivery, lane).then(done);
  else delivery.fleet.join(link.fleet, deploymentId, (found) => done(ofFleet(link, found, delivery, lane)));
}

async function overPublic(
  link: Link & { kind: "public" },
  delivery: Delivery,
  lane: DeliveringLane,
): Promise<CallResult[]> {
  const { calls, signal, stopOnFailure } = delivery;
  const before = { answeredAt: 0 };
  const one = (call: DeliveredCall) => callPublic(link, call, delivery, lane, before);
  // All go out at once and a journey is saved. Public runners would be busy.
  const sent = lane.isOrdered() && !stopOnFailure && !signal.aborted ? calls.map(one) : undefined;
  const tally: Tally = { results: [] };
  for (const [i, call] of calls.entries()) {
    const making = tally.stopped ? undefined : (sent?.[i] ?? (signal.aborted ? undefined : one(call)));
    count(tally, link, call, await making, delivery, lane);
  }
  return tally.results;
}

async function callPublic(
  link: Link & { kind: "public" },
  call: DeliveredCall,
  { deadlineAt, signal }: Delivery,
  lane: DeliveringLane,
  before: { answeredAt: number },
): Promise<Made> {
  if (lane.isSpared(call)) return SPARED;
  const start = performance.now();
  const { outcome, incarnation } = await link.model.call(call.bytes(), deadlineAt, signal);
  const answeredAt = performance.now();
  const began = Math.max(before.answeredAt, start); // sent early, it waited for the call before it
  before.answeredAt = answeredAt;
  return {
    outcome: lane.learn(link, call, outcome, incarnation),
    times: { execTimeUs: Math.round((answeredAt - began) * 1000), waitUs: null },
    isRepeated: false,
  };
}

/** All calls went in one message with those of the runner's other models; the runner keeps their order, and knows what each model has seen. */
function ofFleet(link: Link, found: readonly FleetOutcome[], delivery: Delivery, lane: DeliveringLane): CallResult[] {
  const tally: Tally = { results: [] };
  for (let i = 0; i < delivery.calls.length; i++) {
    const call = delivery.calls[i]!;
    const one = tally.stopped ? undefined : found[i];
    if (!one) count(tally, link, call, undefined, delivery, lane);
    else {
      const { runUs, waitUs, isRepeated } = one;
      const outcome = lane.learn(link, call, one.outcome);
      const times = { execTimeUs: outcome.status === "TIMEOUT" ? waitUs : runUs, waitUs };
      count(tally, link, call, { outcome, times, isRepeated }, delivery, lane);
    }
  }
  return tally.results;
}

/** Results so far; `stopped` is that of all later calls. */
interface Tally {
  readonly results: CallResult[];
  stopped?: CallResult | undefined;
}

/** Takes the next call's outcome; none when it was not made. */
function count(
  tally: Tally,
  link: Link,
  call: DeliveredCall,
  made: Made | undefined,
  delivery: Delivery,
  lane: DeliveringLane,
): void {
  if (!made) {
    tally.stopped ??= notMade(delivery, lane);
    tally.results.push(tally.stopped);
    return;
  }
  const { outcome, times, isRepeated } = made;
  const { status, detail, output } = outcome;
  const cancelled = status === "TIMEOUT" && delivery.signal.reason === "caller";
  const isCurrent = isRepeated || lane.judge(link, outcome, cancelled);
  const result = cancelled ? aborted(lane) : lane.resultOf(status, detail, times, output);
  tally.results.push(result);
  tally.stopped = cancelled ? result : following(call, result, delivery.stopOnFailure || !isCurrent, lane);
}

const aborted = (lane: DeliveringLane) => lane.resultOf("SKIPPED", "ABORTED: the caller gave up");
const notMade = ({ signal }: Delivery, lane: DeliveringLane): CallResult =>
  signal.aborted && signal.reason !== "caller" ? lane.resultOf("TIMEOUT", `${LATE}; not sent`) : aborted(lane);

/** The result of all later calls when this one stops them. */
function following(
  { method }: DeliveredCall,
  { status, detail }: CallResult,
  stop: boolean,
  lane: DeliveringLane,
): CallResult | undefined {
  if (status === "TIMEOUT") return lane.resultOf("TIMEOUT", `${LATE}; not sent, ${method} took the time`);
  return status === "FAILURE" && stop
    ? lane.resultOf("SKIPPED", cleanDetail(`PREVIOUS_CALL_FAILED: ${method}: ${detail}`))
    : undefined;
}
