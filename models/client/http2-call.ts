import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { frameOf, timeoutText } from "./grpc-framing.ts";
import { deadlineError, internal, notGrpc, resetError, serviceError, statusOf, unavailable } from "./grpc-status.ts";
import type { Receiver } from "./receiver.ts";
import { CallAborted, type SentRequest, type UnaryAnswer } from "./runner-channel.ts";

/** A call that waits for its session, or is under way. */
export interface Http2Call {
  /** Sends it. `onEnd` is called once, when it needs the session no more. */
  start(session: ClientHttp2Session, authority: string, onEnd: () => void): void;
  /** Ends it, unless it is over. */
  fail(error: Error): void;
}

/** A call and what becomes of it. */
export interface Sending<T> {
  readonly answer: Promise<UnaryAnswer<T>>;
  readonly call?: Http2Call;
}

const MAX_TIMER_MS = 2 ** 31 - 1;
const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM } = constants;

/** `call` is absent when there is nothing to send any more; `answer` is settled in any case, at the deadline at the latest. */
export function createCall<T>(request: SentRequest, maxBytes: number, receiver: Receiver<T>): Sending<T> {
  const { bytes, deadlineAt, signal } = request;
  if (signal?.aborted) return { answer: Promise.reject(new CallAborted()) };
  const leftMs = deadlineAt - Date.now();
  if (leftMs <= 0) return { answer: Promise.reject(deadlineError()) };
  if (bytes.length > maxBytes) {
    const details = `The message to send is larger than max (${bytes.length} vs ${maxBytes})`;
    return { answer: Promise.reject(serviceError(status.RESOURCE_EXHAUSTED, details)) };
  }
  const { promise, resolve, reject } = Promise.withResolvers<UnaryAnswer<T>>();
  let isOver = false;
  let stop: (() => void) | undefined;
  const end = (settle: () => void) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
    settle();
    stop?.();
  };
  const fail = (error: Error) => end(() => reject(error));
  const giveUp = () => fail(new CallAborted());
  const timer = setTimeout(() => fail(deadlineError()), Math.min(leftMs, MAX_TIMER_MS));
  signal?.addEventListener("abort", giveUp, { once: true });

  function start(session: ClientHttp2Session, authority: string, onEnd: () => void): void {
    if (isOver) {
      onEnd();
      return;
    }
    try {
      const stream = session.request(headersOf(request, authority));
      const isEnded = follow(stream, session, receiver, fail, (answer) => end(() => resolve(answer)));
      stop = () => {
        if (!isEnded() || !stream.writableFinished) abandon(stream);
        onEnd();
      };
      stream.end(frameOf(bytes));
    } catch (cause) {
      fail(unavailable((cause as Error).message));
      if (stop === undefined) onEnd();
    }
  }
  return { answer: promise, call: { start, fail } };
}

/** In pairs, which Node takes as they are: it looks at every entry of an object. Nothing about compression: there is none. */
const headersOf = ({ path, deadlineAt }: SentRequest, authority: string): string[] => [
  ...[":method", "POST", ":scheme", "http", ":authority", authority, ":path", path, "te", "trailers"],
  ...["content-type", "application/grpc", "grpc-timeout", timeoutText(deadlineAt - Date.now())],
];

/** Tells the runner that nobody waits any more; what has come already is thrown away. */
function abandon(stream: ClientHttp2Stream): void {
  if (!stream.closed) stream.close(NGHTTP2_CANCEL);
  stream.removeAllListeners("data").resume();
}

/** Listens to a stream until the call is decided. Gives whether the runner has ended it. */
function follow<T>(
  stream: ClientHttp2Stream,
  session: ClientHttp2Session,
  receiver: Receiver<T>,
  fail: (error: Error) => void,
  succeed: (answer: UnaryAnswer<T>) => void,
): () => boolean {
  let isEnded = false;
  let told: ServiceError | Metadata | undefined;
  let cause: Error | undefined;

  function decide(trailer: Metadata): void {
    try {
      succeed({ response: receiver.result(), trailer });
    } catch (error) {
      fail(internal((error as Error).message));
    }
  }
  function endWith(trailers: IncomingHttpHeaders): void {
    isEnded = true;
    told = statusOf(trailers);
    if (!(told instanceof Metadata)) fail(told);
    else if (receiver.isWhole()) decide(told); // else some of it may not have been read yet: at its end
  }

  stream.on("response", (headers, flags) => {
    const isLast = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    if (isLast && headers["grpc-status"] !== undefined) return endWith(headers);
    isEnded = isLast;
    const refused = notGrpc(headers);
    if (refused) fail(refused);
  });
  stream.on("data", (chunk: Buffer) => {
    const refused = receiver.take(chunk);
    if (refused) fail(refused);
    // Whatever it goes on with waits at the runner's side, until the deadline.
    else if (receiver.hasMore()) stream.pause();
  });
  stream.on("trailers", endWith);
  stream.on("end", () => {
    if (told instanceof Metadata) decide(told);
  });
  stream.on("error", (error) => {
    cause = error;
  });
  stream.on("close", () => {
    isEnded = true;
    if (told instanceof Metadata) decide(told);
    else if (session.destroyed) fail(unavailable(`Connection lost${cause ? `: ${cause.message}` : ""}`));
    else fail(resetError(stream.rstCode ?? 0));
  });
  return () => isEnded;
}
