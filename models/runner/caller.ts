import { status as grpcStatus, Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { CODE } from "../protocol/answer-code.ts";
import { INCARNATION_HEADER } from "../protocol/messages.ts";
import { VARIANT_TYPES } from "../protocol/variant.ts";
import { type Answer, foreignType, type HostCall, unframeable } from "./frames.ts";
import type { HostAction, ModelHost } from "./model-host.ts";

/** What became of a request: the host's answer, or the reason why nobody was asked. */
export type Outcome =
  | { readonly answer: Answer; readonly trailer: Metadata }
  | { readonly error: { readonly code: grpcStatus; readonly details: string } };
/** Performs one request. `standardMs`: how long for a caller that gives no deadline. */
export type Caller = (
  call: Pick<ServerUnaryCall<unknown, unknown>, "getDeadline">,
  action: HostAction,
  wanted: HostCall,
  standardMs: number,
) => Promise<Outcome>;

/** Milliseconds the caller still waits. */
const patience = (call: Pick<ServerUnaryCall<unknown, unknown>, "getDeadline">, standardMs: number): number => {
  const deadline = call.getDeadline();
  const at = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(at) ? Math.max(1, at - Date.now()) : standardMs;
};

const refusal = (action: HostAction, type: number): Answer => {
  const text = `Unsupported data type: ${type}`;
  const [code, value] =
    action === "SETUP" ? [CODE.SETUP_FAILED, text] : [CODE.FAILED, `The model raised an exception: ${text}`];
  return { code, runUs: 0, type: VARIANT_TYPES.STRING, value: Buffer.from(value) };
};

/** The way from a request of the public services to the model's host. */
export function createCaller(model: ModelHost): Caller {
  return async (call, action, wanted, standardMs) => {
    const problem = unframeable(wanted);
    if (problem !== undefined) return { error: { code: grpcStatus.INVALID_ARGUMENT, details: problem } };
    const foreign = foreignType(wanted);
    if (foreign !== undefined) return { answer: refusal(action, foreign), trailer: new Metadata() };
    const answer = await model
      .run(action, [wanted], patience(call, standardMs))
      .then(([first]) => first)
      .catch(() => undefined);
    if (answer === undefined) return { error: { code: grpcStatus.RESOURCE_EXHAUSTED, details: "Server busy" } };
    // Clients try a connection again that was not there; a failed Setup they take as final.
    if (action === "SETUP" && answer.code === CODE.NOT_READY)
      return { error: { code: grpcStatus.UNAVAILABLE, details: answer.value.toString("utf8") } };
    const trailer = new Metadata();
    trailer.set(INCARNATION_HEADER, String(model.incarnation()));
    return { answer, trailer };
  };
}
