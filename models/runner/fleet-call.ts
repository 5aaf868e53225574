import { CODE } from "../protocol/answer-code.ts";
import type { CallManyRequest, FleetAnswer } from "../protocol/fleet-messages.ts";
import { type Batch, createBatch } from "./batch.ts";
import type { Answer, HostCall } from "./frames.ts";
import type { AnswerSink, ModelHost } from "./model-host.ts";
import type { RoundMemory } from "./round-memory.ts";

/** Models at work at once: more runnable hosts only wait for a core, and the runner's event loop behind them. */
const WINDOW = 64;
/** A model that has not answered after this long leaves its place in the window to the next. */
const PLACE_MS = 20;
const QUEUE_LIMIT = 32;
const MAX_DETAIL = 500;
const NOBODY: Answer = {
  code: CODE.NO_MODEL,
  runUs: 0,
  type: 3,
  value: Buffer.from("the runner has no such deployment"),
};
const SKIPPED: Answer = { code: CODE.SKIPPED, runUs: 0, type: 3, value: Buffer.from("an earlier call failed") };
const LATE: Answer = { code: CODE.TIMEOUT, runUs: 0, type: 3, value: Buffer.from("did not answer in time") };

/** One request at work. Every (target, call) is answered exactly once. */
export interface FleetCallRun {
  start(): void;
  /** No answer is wanted any more; what models do goes on until their deadline. */
  abandon(): void;
  /** The receiver is slow: nobody else is called until it is not. */
  pause(isPaused: boolean): void;
}

/**
 * Calls the models of a request, a window at a time.
 * `calls` are the request's, decoded; `onAnswer` gets each answer, `onEnd` comes behind the last.
 */
export function runFleetCall(options: {
  request: CallManyRequest;
  calls: readonly HostCall[];
  hostOf: (deployment: string) => ModelHost | undefined;
  memory: RoundMemory;
  onAnswer: (answer: FleetAnswer) => void;
  onEnd: () => void;
}): FleetCallRun {
  const { request, calls, onAnswer } = options;
  const arrivedAt = performance.now();
  const batches = new Map<string, Batch>();
  let next = 0;
  let atWork = 0;
  let left = request.targets.reduce((sum, target) => sum + (target.calls.length || calls.length), 0);
  let paused = false;
  let over = false;
  let dispatching = false;
  let deadline: NodeJS.Timeout | undefined;
  let freeing: NodeJS.Timeout | undefined;
  /** the places that were taken, in the order of time; only where there are more models than places */
  const places: { readonly since: number; isTaken: boolean }[] = [];

  const everyCall = calls.map((_call, call) => call);
  const callsOf = (target: number): readonly number[] => {
    const own = request.targets[target]?.calls ?? [];
    return own.length > 0 ? own : everyCall;
  };
  /** nearly every target's: all calls under the request's deadline */
  let common: Batch | undefined;

  /** One batch for all targets that get the same calls under the same deadline. */
  function batchOf(indexes: readonly number[], timeoutMs: number): Batch {
    if (indexes === everyCall && timeoutMs === request.deadline_ms) {
      common ??= createBatch(calls, timeoutMs, request.targets.length);
      return common;
    }
    const name = `${timeoutMs}/${indexes}`;
    const known = batches.get(name);
    if (known) return known;
    const made = createBatch(
      indexes.flatMap((index) => calls[index] ?? []),
      timeoutMs,
      request.targets.length,
    );
    batches.set(name, made);
    return made;
  }

  function answer(target: number, call: number, { code, runUs, type, value }: Answer, incarnation: number): void {
    if (over) return;
    const waitUs = Math.max(0, Math.round((performance.now() - arrivedAt) * 1000) - runUs);
    const isValue = code === CODE.OK && type !== 0;
    onAnswer({
      target,
      call,
      code,
      detail: code === CODE.OK ? "" : value.toString("utf8").slice(0, MAX_DETAIL),
      wait_us: waitUs,
      run_us: runUs,
      incarnation,
      ...(isValue ? { value: { type, value } } : {}),
    });
    if (--left > 0) return;
    end();
  }

  function end(): void {
    if (over) return;
    over = true;
    clearTimeout(deadline);
    clearInterval(freeing);
    options.onEnd();
  }

  function dispatch(): void {
    if (dispatching) return;
    dispatching = true;
    while (!over && !paused && atWork < WINDOW && next < request.targets.length) begin(next++);
    dispatching = false;
  }

  function begin(index: number): void {
    const target = request.targets[index];
    if (!target) return;
    const indexes = callsOf(index);
    const standardMs = target.deadline_ms || request.deadline_ms;
    const timeoutMs = standardMs - (performance.now() - arrivedAt);
    if (timeoutMs <= 0) {
      for (const call of indexes) answer(index, call, LATE, 0);
      return;
    }
    const host = options.hostOf(target.deployment);
    if (!host) {
      for (const call of indexes) answer(index, call, NOBODY, 0);
      return;
    }
    const leave = takePlace();
    let open = indexes.length;
    const sink: AnswerSink = (position, found) => {
      answer(index, indexes[position] ?? 0, found, host.incarnation());
      if (--open === 0) leave();
    };
    const own = options.memory.join(request.round_id, target.deployment, indexes.length, sink);
    if (!own) return;
    if (request.stop_on_failure) inTurn(host, indexes, own, Date.now() + timeoutMs);
    else host.submit(batchOf(indexes, standardMs), own, { timeoutMs, queueLimit: QUEUE_LIMIT });
  }

  /** Each call only when the one before it has succeeded. */
  function inTurn(host: ModelHost, indexes: readonly number[], sink: AnswerSink, deadlineAt: number, from = 0): void {
    const call = calls[indexes[from] ?? 0];
    if (from >= indexes.length || !call) return;
    const timeoutMs = Math.max(1, deadlineAt - Date.now());
    const own: AnswerSink = (_call, found) => {
      sink(from, found);
      if (found.code === CODE.OK || found.code === CODE.ALREADY_DELIVERED) {
        inTurn(host, indexes, sink, deadlineAt, from + 1);
        return;
      }
      for (let later = from + 1; later < indexes.length; later++)
        sink(later, found.code === CODE.TIMEOUT ? LATE : SKIPPED);
    };
    host.submit(createBatch([call], timeoutMs), own, { timeoutMs, queueLimit: QUEUE_LIMIT });
  }

  /** Returns the function that gives the place back; `free` does it for those who hold it for long. */
  function takePlace(): () => void {
    atWork++;
    const place = { since: performance.now(), isTaken: true };
    if (request.targets.length > WINDOW) places.push(place);
    return () => {
      if (!place.isTaken) return;
      place.isTaken = false;
      atWork--;
      dispatch();
    };
  }

  function free(): void {
    const old = performance.now() - PLACE_MS;
    for (let oldest = places[0]; oldest && (!oldest.isTaken || oldest.since < old); oldest = places[0]) {
      places.shift();
      if (oldest.isTaken) atWork--;
      oldest.isTaken = false;
    }
    dispatch();
    if (next >= request.targets.length) clearInterval(freeing);
  }

  /** Whoever has not been called by then is not called any more. */
  function close(): void {
    for (; next < request.targets.length; next++) for (const call of callsOf(next)) answer(next, call, LATE, 0);
  }

  return {
    start() {
      if (left === 0) {
        end();
        return;
      }
      deadline = setTimeout(close, request.deadline_ms);
      if (request.targets.length > WINDOW) freeing = setInterval(free, PLACE_MS / 2);
      dispatch();
    },
    abandon() {
      over = true;
      clearTimeout(deadline);
      clearInterval(freeing);
    },
    pause(isPaused) {
      paused = isPaused;
      if (!isPaused) dispatch();
    },
  };
}
