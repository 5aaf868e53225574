import { type CallResult, type CallStatus, cleanDetail } from "./fleet.ts";
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

/** One result a call, in their order. Never rejects. */
export function deliver(
  link: Link,
  deploymentId: string,
  delivery: Delivery,
  lane: DeliveringLane,
): Promise<CallResult[]> {
  return link.kind === "fleet" ? withFleet(link, deploymentId, delivery, lane) : overPublic(link, delivery, lane);
}

async function overPublic(
  link: Link & { kind: "public" },
  delivery: Delivery,
  lane: DeliveringLane,
): Promise<CallResult[]> {
  const { calls, signal, stopOnFailure } = delivery;
  const before = { answeredAt: 0n };
  const one = (call: DeliveredCall) => callPublic(link, call, delivery, lane, before);
  // All go out at once and a journey is saved. Public runners would be busy.
  const sent = lane.isOrdered() && !stopOnFailure && !signal.aborted ? calls.map(one) : undefined;
  return inOrder(link, delivery, lane, (call, i) => sent?.[i] ?? (signal.aborted ? undefined : one(call)));
}

async function callPublic(
  link: Link & { kind: "public" },
  call: DeliveredCall,
  { deadlineAt, signal }: Delivery,
  lane: DeliveringLane,
  before: { answeredAt: bigint },
): Promise<Made> {
  if (lane.isSpared(call)) return SPARED;
  const start = process.hrtime.bigint();
  const { outcome, incarnation } = await link.model.call(call.bytes(), deadlineAt, signal);
  const answeredAt = process.hrtime.bigint();
  // biome-ignore lint/complexity/useMathMinMax: bigints
  const began = before.answeredAt > start ? before.answeredAt : start; // sent early, it waited for the call before it
  before.answeredAt = answeredAt;
  return {
    outcome: lane.learn(link, call, outcome, incarnation),
    times: { execTimeUs: Number((answeredAt - began) / 1000n), waitUs: null },
    isRepeated: false,
  };
}

/** All calls in one message with those of the runner's other models; the runner keeps their order, and knows what each model has seen. */
async function withFleet(
  link: Link & { kind: "fleet" },
  deploymentId: string,
  delivery: Delivery,
  lane: DeliveringLane,
): Promise<CallResult[]> {
  const found = await delivery.fleet.join(link.fleet, deploymentId);
  return inOrder(link, delivery, lane, (call, i) => {
    const one = found[i];
    if (!one) return undefined;
    const { runUs, waitUs, isRepeated } = one;
    const outcome = lane.learn(link, call, one.outcome);
    return { outcome, times: { execTimeUs: outcome.status === "TIMEOUT" ? waitUs : runUs, waitUs }, isRepeated };
  });
}

/** Goes through the calls until one stops the rest. `make` gives nothing for a call that was not made. */
async function inOrder(
  link: Link,
  delivery: Delivery,
  lane: DeliveringLane,
  make: (call: DeliveredCall, index: number) => Promise<Made> | Made | undefined,
): Promise<CallResult[]> {
  const { calls, signal, stopOnFailure } = delivery;
  const results: CallResult[] = [];
  let stopped: CallResult | undefined;
  for (const [i, call] of calls.entries()) {
    const making = stopped ? undefined : make(call, i);
    const made = making instanceof Promise ? await making : making;
    if (!made) {
      stopped ??= notMade(delivery, lane);
      results.push(stopped);
      continue;
    }
    const { outcome, times, isRepeated } = made;
    const { status, detail, output } = outcome;
    const cancelled = status === "TIMEOUT" && signal.reason === "caller";
    const isCurrent = isRepeated || lane.judge(link, outcome, cancelled);
    const result = cancelled ? aborted(lane) : lane.resultOf(status, detail, times, output);
    results.push(result);
    stopped = cancelled ? result : following(call, result, stopOnFailure || !isCurrent, lane);
  }
  return results;
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
