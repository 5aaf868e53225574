import type { MethodDefinition, status } from "@grpc/grpc-js";
import { service } from "../protocol/messages.ts";

/** Why a method gives no message. */
export interface Refusal {
  readonly code: status;
  readonly details: string;
}
/** Metadata behind an answer, also a refused one. */
export type Trailer = Readonly<Record<string, string>>;
export type Reply = ({ readonly response: object } | { readonly error: Refusal }) & { readonly trailer?: Trailer };
/** Who follows something until either side ends it. */
export interface Follower {
  /** Gives false when it reads slowly: what else is sent waits in memory until `onDrain`. */
  send(message: object): boolean;
  onDrain(listener: () => void): void;
  end(): void;
  onClose(listener: () => void): void;
}

/** A method of a service, whatever it is served over. */
export interface Method {
  readonly definition: MethodDefinition<object, object>;
  /** `deadlineAt`: epoch ms; Infinity for callers that give none */
  readonly answer?: (request: object, deadlineAt: number) => Reply | Promise<Reply>;
  /** Refuses at once, or not at all. */
  readonly follow?: (request: object, follower: Follower) => Refusal | undefined;
}
/** Serves methods at one address. */
export interface RpcServer {
  /** `host:port`, `[v6 address]:port` or `unix:path`; gives the port, 0 for a Unix socket. */
  listen(address: string): Promise<number>;
  /** Takes no new call, and resolves when the running ones are answered. */
  drain(): Promise<void>;
  close(): void;
}
export const MAX_CONCURRENT_CALLS = 16;

const definitionOf = (serviceName: string, name: string): MethodDefinition<object, object> => {
  const definition = service(serviceName)[name];
  if (!definition) throw new Error(`${serviceName} has no method ${name}`);
  return definition as MethodDefinition<object, object>;
};

/** A method with one answer a request. */
export const unary = <Request extends object>(
  serviceName: string,
  name: string,
  answer: (request: Request, deadlineAt: number) => Reply | Promise<Reply>,
): Method => ({ definition: definitionOf(serviceName, name), answer: answer as NonNullable<Method["answer"]> });

/** A method whose caller is told again and again. */
export const followed = <Request extends object>(
  serviceName: string,
  name: string,
  follow: (request: Request, follower: Follower) => Refusal | undefined,
): Method => ({ definition: definitionOf(serviceName, name), follow: follow as NonNullable<Method["follow"]> });
