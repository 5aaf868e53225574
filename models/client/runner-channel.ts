import type { Client, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";

/** A call that was given up by its caller; it may or may not have reached the model. */
export class CallAborted extends Error {
  override name = "CallAborted";
}

export interface SentRequest {
  /** path, as in /package.Service/Method */
  readonly path: string;
  readonly bytes: Buffer;
  /** epoch ms */
  readonly deadlineAt: number;
  readonly signal?: AbortSignal;
}
export interface UnaryRequest<T> extends SentRequest {
  readonly parse: (bytes: Buffer) => T;
}
/** Has any number of answers. */
export interface StreamRequest<T> extends UnaryRequest<T> {
  readonly onMessage: (message: T) => void;
}
export interface UnaryAnswer<T> {
  readonly response: T;
  readonly trailer: Metadata;
}

/** A channel to one runner, plain or with proofs. */
export interface RunnerChannel {
  /** Resolves when requests may be sent; rejects after `timeoutMs`, or at once when there is no use in waiting. */
  ready(timeoutMs: number): Promise<void>;
  /** Sent in the order of the calls. Rejects with a ServiceError, an AuthError or CallAborted. */
  unary<T>(request: UnaryRequest<T>): Promise<UnaryAnswer<T>>;
  /** SHA-256 in hex of the key that the other side has proved to be the model's. */
  provenKey?(): string | undefined;
  close(): void;
}

const same = (bytes: Buffer): Buffer => bytes;

/** Sends now. `onCall` gets the call before anything has come back. */
export function sendUnary<T>(
  client: Client,
  { path, bytes, parse, deadlineAt, signal }: UnaryRequest<T>,
  metadata: Metadata,
  onCall?: (call: ClientUnaryCall) => void,
): Promise<UnaryAnswer<T>> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new CallAborted());
    let error: ServiceError | null = null;
    let response: T | undefined;
    const call = client.makeUnaryRequest(
      path,
      same,
      parse,
      bytes,
      metadata,
      { deadline: deadlineAt },
      (cause, answer) => {
        error = cause;
        response = answer;
      },
    );
    onCall?.(call);
    const giveUp = () => {
      call.cancel();
      reject(new CallAborted());
    };
    // Comes right behind the callback, and brings the trailer.
    call.on("status", ({ metadata: trailer }) => {
      signal?.removeEventListener("abort", giveUp);
      if (error) reject(error);
      else resolve({ response: response as T, trailer });
    });
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}
