import { status as grpcStatus } from "@grpc/grpc-js";
import { CODE } from "../protocol/answer-code.ts";
import { INCARNATION_HEADER } from "../protocol/messages.ts";
import { VARIANT_TYPES } from "../protocol/variant.ts";
import { type Answer, foreignType, type HostCall, unframeable } from "./frames.ts";
import type { HostAction, ModelHost } from "./model-host.ts";
import type { Refusal, Trailer } from "./rpc.ts";

/** What became of a request: the host's answer, or the reason why nobody was asked. */
type Outcome =
  | { readonly answer: Answer; readonly trailer: Trailer }
  | { readonly error: Refusal; readonly trailer?: Trailer };
/** Performs one request. `deadlineAt`: epoch ms; `standardMs`: how long for a caller that gives none. */
export type Caller = (deadlineAt: number, action: HostAction, wanted: HostCall, standardMs: number) => Promise<Outcome>;

/** Milliseconds the caller still waits. */
const patience = (deadlineAt: number, standardMs: number): number =>
  Number.isFinite(deadlineAt) ? Math.max(1, deadlineAt - Date.now()) : standardMs;

const refusal = (action: HostAction, type: number): Answer => {
  const text = `Unsupported data type: ${type}`;
  const [code, value] =
    action === "SETUP" ? [CODE.SETUP_FAILED, text] : [CODE.FAILED, `The model raised an exception: ${text}`];
  return { code, runUs: 0, type: VARIANT_TYPES.STRING, value: Buffer.from(value) };
};

/** The way from a request of the public services to the model's host. */
export function createCaller(model: ModelHost): Caller {
  return async (deadlineAt, action, wanted, standardMs) => {
    const problem = unframeable(wanted);
    if (problem !== undefined) return { error: { code: grpcStatus.INVALID_ARGUMENT, details: problem } };
    const foreign = foreignType(wanted);
    if (foreign !== undefined) return { answer: refusal(action, foreign), trailer: {} };
    const answer = await model
      .run(action, [wanted], patience(deadlineAt, standardMs))
      .then(([first]) => first)
      .catch(() => undefined);
    if (answer === undefined) return { error: { code: grpcStatus.RESOURCE_EXHAUSTED, details: "Server busy" } };
    // Clients try a connection again that was not there; a failed Setup they take as final.
    if (action === "SETUP" && answer.code === CODE.NOT_READY)
      return { error: { code: grpcStatus.UNAVAILABLE, details: answer.value.toString("utf8") } };
    const trailer = { [INCARNATION_HEADER]: String(model.incarnation()) };
    // The caller's own clock has run out, or is about to: it must hear the same from both.
    if (answer.code === CODE.TIMEOUT && Number.isFinite(deadlineAt))
      return { error: { code: grpcStatus.DEADLINE_EXCEEDED, details: "Deadline exceeded" }, trailer };
    return { answer, trailer };
  };
}
