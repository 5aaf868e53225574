import type { ServiceError } from "@grpc/grpc-js";
import { createMessageReader } from "./grpc-framing.ts";
import { internal } from "./grpc-status.ts";
import type { StreamRequest, UnaryRequest } from "./runner-channel.ts";

/** What a call makes of the bytes that come back. */
export interface Receiver<T> {
  /** Takes what came; gives why this is no answer for us. */
  take(chunk: Buffer): ServiceError | undefined;
  /** All that is wanted is there, before the stream has ended. */
  isWhole(): boolean;
  /** More has come than is wanted. */
  hasMore(): boolean;
  /** @throws Error for an answer that is none */
  result(): T;
}

/** Takes one message. */
export function unaryReceiver<T>({ parse }: UnaryRequest<T>, maxBytes: number): Receiver<T> {
  const reader = createMessageReader(maxBytes);
  const hasMore = () => reader.rest().length > 0;
  return {
    take: (chunk) => reader.take(chunk),
    isWhole: () => reader.message() !== undefined,
    hasMore,
    result() {
      const message = reader.message();
      if (!message) throw new Error("the answer holds no whole message");
      if (hasMore()) throw new Error("the answer holds more than one message");
      return parsed(message, parse);
    },
  };
}

/** Takes messages, as many as come, each as it comes. */
export function streamReceiver<T>({ parse, onMessage }: StreamRequest<T>, maxBytes: number): Receiver<void> {
  let reader = createMessageReader(maxBytes);
  return {
    take(chunk) {
      for (let left = chunk; left.length > 0; ) {
        const refused = reader.take(left);
        if (refused) return refused;
        const message = reader.message();
        if (!message) return undefined;
        left = reader.rest();
        reader = createMessageReader(maxBytes);
        try {
          onMessage(parsed(message, parse));
        } catch (error) {
          return internal((error as Error).message);
        }
      }
      return undefined;
    },
    isWhole: () => false,
    hasMore: () => false,
    result() {
      if (reader.hasBegun()) throw new Error("the answer's last message is cut off");
    },
  };
}

function parsed<T>(message: Buffer, parse: (bytes: Buffer) => T): T {
  try {
    return parse(message);
  } catch (cause) {
    throw new Error(`the answer cannot be parsed: ${(cause as Error).message}`, { cause });
  }
}
