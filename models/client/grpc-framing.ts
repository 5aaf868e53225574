import { type ServiceError, status } from "@grpc/grpc-js";
import { framed, PREFIX_BYTES } from "../protocol/grpc-wire.ts";
import { internal, serviceError } from "./grpc-status.ts";

const MAX_TIMEOUT_DIGITS = 8;
/** What a message may occupy before any of it has come. */
const FIRST_BYTES = 64 << 10;

/** A fan-out sends the same bytes to all models: they are framed once. */
const frames = new WeakMap<Buffer, Buffer>();

/** The message as it goes over the wire. */
export function frameOf(message: Buffer): Buffer {
  const known = frames.get(message);
  if (known) return known;
  const frame = framed(message);
  frames.set(message, frame);
  return frame;
}

/** Value of the header `grpc-timeout`; milliseconds as long as its eight digits do. */
export function timeoutText(leftMs: number): string {
  const ms = Math.max(1, Math.ceil(leftMs));
  return ms < 10 ** MAX_TIMEOUT_DIGITS ? `${ms}m` : `${Math.min(Math.ceil(ms / 1000), 10 ** MAX_TIMEOUT_DIGITS - 1)}S`;
}

/** Puts one message together. */
export interface MessageReader {
  /** Takes what came; gives why this is no answer for us. What is above the limit is refused before it is kept. */
  take(chunk: Buffer): ServiceError | undefined;
  hasBegun(): boolean;
  /** whole, or not there yet */
  message(): Buffer | undefined;
  /** what came behind the message; kept by nobody */
  rest(): Buffer;
}
const NOTHING = Buffer.alloc(0);

export function createMessageReader(maxBytes: number): MessageReader {
  let held: Buffer = NOTHING;
  let used = 0;
  let size: number | undefined;
  let message: Buffer | undefined;
  let rest: Buffer = NOTHING;

  function begin(head: Buffer): ServiceError | undefined {
    if (head[0] !== 0) return internal("The answer is compressed, which was not asked for");
    size = head.readUInt32BE(1);
    return size > maxBytes
      ? serviceError(status.RESOURCE_EXHAUSTED, `Received message larger than max (${size} vs ${maxBytes})`)
      : undefined;
  }
  function keep(chunk: Buffer): void {
    if (used + chunk.length > held.length) {
      const enough = Math.max(
        used + chunk.length,
        Math.min(PREFIX_BYTES + (size ?? 0), Math.max(2 * held.length, FIRST_BYTES)),
      );
      const larger = Buffer.allocUnsafe(enough);
      held.copy(larger, 0, 0, used);
      held = larger;
    }
    used += chunk.copy(held, used);
  }

  return {
    take(chunk) {
      if (message) {
        if (chunk.length > 0) rest = chunk;
        return undefined;
      }
      let left = chunk;
      if (size === undefined) {
        if (used === 0 && chunk.length >= PREFIX_BYTES) {
          const refused = begin(chunk);
          if (refused) return refused;
          const end = PREFIX_BYTES + size!;
          // As it nearly always is: all of it at once, and nothing is copied.
          if (chunk.length >= end) {
            message = chunk.subarray(PREFIX_BYTES, end);
            rest = chunk.subarray(end);
            return undefined;
          }
        } else {
          const missing = PREFIX_BYTES - used;
          keep(chunk.subarray(0, missing));
          left = chunk.subarray(missing);
          if (used < PREFIX_BYTES) return undefined;
          const refused = begin(held);
          if (refused) return refused;
        }
      }
      const missing = PREFIX_BYTES + size! - used;
      keep(left.subarray(0, missing));
      if (left.length < missing) return undefined;
      message = held.subarray(PREFIX_BYTES, used);
      rest = left.subarray(missing);
      return undefined;
    },
    hasBegun: () => used > 0,
    message: () => message,
    rest: () => rest,
  };
}
