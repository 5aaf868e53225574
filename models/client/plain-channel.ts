import { unavailable } from "./grpc-status.ts";
import { createCall, type Http2Call, type Sending } from "./http2-call.ts";
import { openSession, type RunnerSession, type Target, targetOf } from "./http2-session.ts";
import { streamReceiver, unaryReceiver } from "./receiver.ts";
import type { RunnerChannel, StreamRequest, UnaryAnswer } from "./runner-channel.ts";

/** Options of gRPC that a plain channel knows. */
export interface PlainOptions {
  readonly "grpc.max_receive_message_length"?: number;
  readonly "grpc.max_send_message_length"?: number;
  readonly "grpc.max_metadata_size": number;
  readonly "grpc.initial_reconnect_backoff_ms": number;
  readonly "grpc.max_reconnect_backoff_ms": number;
}

/** A channel without proofs also takes calls with many answers. */
export interface PlainChannel extends RunnerChannel {
  /** Resolves at the end of all answers; rejects as `unary` does. */
  follow<T>(request: StreamRequest<T>): Promise<void>;
}

const MAX_MESSAGE_BYTES = 4 << 20;
const BACKOFF_FACTOR = 1.6;
const JITTER = 0.2;
const jittered = (ms: number): number => ms * (1 + JITTER * (2 * Math.random() - 1));

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * gRPC over Node's own HTTP/2, without any proof: for runners on this machine or in a network of their own. One connection, made
 * when the first asks for it, and made again in the background. Calls wait for a connection that is being made, not for one that
 * has failed: they are UNAVAILABLE until it is there.
 */
export function plainChannel(address: string, options: PlainOptions): PlainChannel {
  const limits = {
    receive: options["grpc.max_receive_message_length"] ?? MAX_MESSAGE_BYTES,
    send: options["grpc.max_send_message_length"] ?? Number.POSITIVE_INFINITY,
  };
  const firstDelayMs = options["grpc.initial_reconnect_backoff_ms"];
  const maxDelayMs = options["grpc.max_reconnect_backoff_ms"];
  const waiting = new Set<Http2Call>();
  const waiters = new Set<Waiter>();
  let target: Target | undefined;
  let session: RunnerSession | undefined;
  let upAt: number | undefined;
  let retry: NodeJS.Timeout | undefined;
  let delayMs = firstDelayMs;
  /** of the last attempt; none has failed: undefined */
  let failure: string | undefined;
  let isClosed = false;

  function connect(): void {
    if (isClosed || session || retry) return;
    try {
      target ??= targetOf(address);
      session = openSession(target, options["grpc.max_metadata_size"], { up, down });
    } catch (error) {
      failure = (error as Error).message;
    }
  }
  function up(): void {
    upAt = Date.now();
    failure = undefined;
    for (const call of take(waiting)) session?.start(call);
    for (const { resolve } of take(waiters)) resolve();
  }
  function down(why: string): void {
    // Who hangs up right after a greeting is no better than who never greets.
    const hasWorked = upAt !== undefined && Date.now() - upAt >= maxDelayMs;
    session = undefined;
    upAt = undefined;
    if (hasWorked) {
      delayMs = firstDelayMs;
      connect();
      return;
    }
    failure = why;
    for (const call of take(waiting)) call.fail(noConnection());
    retry = setTimeout(() => {
      retry = undefined;
      connect();
    }, jittered(delayMs)).unref();
    delayMs = Math.min(maxDelayMs, delayMs * BACKOFF_FACTOR);
  }
  function send<T>({ call, answer }: Sending<T>): Promise<UnaryAnswer<T>> {
    connect();
    if (!call) return answer;
    if (session && upAt !== undefined) session.start(call);
    else if (isClosed || failure !== undefined) call.fail(noConnection());
    else {
      waiting.add(call);
      const leave = () => waiting.delete(call);
      answer.then(leave, leave);
    }
    return answer;
  }
  const noConnection = () => unavailable(isClosed ? "the channel is closed" : `no connection: ${failure}`);

  return {
    ready(timeoutMs) {
      connect();
      if (session && upAt !== undefined) return Promise.resolve();
      if (isClosed || target === undefined) return Promise.reject(noConnection());
      return new Promise((resolve, reject) => {
        const late = () => {
          waiters.delete(waiter);
          reject(new Error(`Failed to connect before the deadline${failure === undefined ? "" : `: ${failure}`}`));
        };
        const timer = setTimeout(late, timeoutMs);
        const waiter: Waiter = {
          resolve() {
            clearTimeout(timer);
            resolve();
          },
          reject(error) {
            clearTimeout(timer);
            reject(error);
          },
        };
        waiters.add(waiter);
      });
    },
    unary: (request) => send(createCall(request, limits.send, unaryReceiver(request, limits.receive))),
    async follow(request) {
      await send(createCall(request, limits.send, streamReceiver(request, limits.receive)));
    },
    close() {
      isClosed = true;
      clearTimeout(retry);
      session?.retire();
      session = undefined;
      for (const call of take(waiting)) call.fail(noConnection());
      for (const { reject } of take(waiters)) reject(noConnection());
    },
  };
}

/** Empties it, in its order. */
function take<T>(set: Set<T>): T[] {
  const all = [...set];
  set.clear();
  return all;
}
