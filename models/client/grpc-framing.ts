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

/** Puts the one message of an answer together. */
export interface MessageReader {
  /** Takes what came; gives why this is no answer for us. What is above the limit is refused before it is kept. */
  take(chunk: Buffer): ServiceError | undefined;
  /** whole, or not there yet */
  message(): Buffer | undefined;
  /** There was more than one message. */
  hasMore(): boolean;
}

export function createMessageReader(maxBytes: number): MessageReader {
  let held = Buffer.alloc(0);
  let used = 0;
  let size: number | undefined;
  let message: Buffer | undefined;
  let hasMore = false;

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
        hasMore ||= chunk.length > 0;
        return undefined;
      }
      let rest = chunk;
      if (size === undefined) {
        if (used === 0 && chunk.length >= PREFIX_BYTES) {
          const refused = begin(chunk);
          // As it nearly always is: all of it at once, and nothing is copied.
          if (refused || chunk.length === PREFIX_BYTES + size!) {
            if (!refused) message = chunk.subarray(PREFIX_BYTES);
            return refused;
          }
        } else {
          const missing = PREFIX_BYTES - used;
          keep(chunk.subarray(0, missing));
          rest = chunk.subarray(missing);
          if (used < PREFIX_BYTES) return undefined;
          const refused = begin(held);
          if (refused) return refused;
        }
      }
      const missing = PREFIX_BYTES + size! - used;
      keep(rest.subarray(0, missing));
      if (rest.length < missing) return undefined;
      message = held.subarray(PREFIX_BYTES, used);
      hasMore = rest.length > missing;
      return undefined;
    },
    message: () => message,
    hasMore: () => hasMore,
  };
}
