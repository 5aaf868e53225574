import { status as grpcStatus, type Server, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import { service } from "../protocol/messages.ts";
import type { Variant } from "../protocol/variant.ts";
import type { Caller, Outcome } from "./caller.ts";
import type { Answer, HostCall } from "./frames.ts";

export const TRAIN_INFER_SERVICES = ["train_infer.TrainInferService", "train_infer.TrainInferStreamService"] as const;
/** What the host takes in place of a base class; no class has such a name. */
const TRAIN_INFER = ":train-infer";
const SETUP_MS = 120_000;
const CALL_MS = 60_000;

interface InferRequest {
  argument?: Variant | null;
}
interface InferResponse {
  prediction?: Variant | null;
}
type Empty = Record<string, never>;
type Unary<Request, Response> = (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>) => void;

/** These services have no status field: what went wrong is a gRPC status. */
const GRPC_CODES = new Map<number, grpcStatus>([
  [CODE.FAILED, grpcStatus.INTERNAL],
  [CODE.TOO_LARGE, grpcStatus.INTERNAL],
  [CODE.NOT_FINITE, grpcStatus.INTERNAL],
  [CODE.PROTOCOL, grpcStatus.INTERNAL],
  [CODE.TIMEOUT, grpcStatus.DEADLINE_EXCEEDED],
  [CODE.DIED, grpcStatus.UNAVAILABLE],
  [CODE.NOT_READY, grpcStatus.UNAVAILABLE],
  [CODE.NOT_SET_UP, grpcStatus.FAILED_PRECONDITION],
  [CODE.INVALID_ARGUMENT, grpcStatus.INVALID_ARGUMENT],
]);

function errorOf({ code, value }: Answer): { code: grpcStatus; details: string } {
  const { code: name, message } = statusOf(code, value.toString("utf8"));
  if (code === CODE.NO_METHOD)
    return { code: grpcStatus.FAILED_PRECONDITION, details: "This model is no train/infer model" };
  const known = GRPC_CODES.get(code);
  return known === undefined
    ? { code: grpcStatus.UNKNOWN, details: `${name}: ${message}` }
    : { code: known, details: message };
}

/**
 * TrainInferService and TrainInferStreamService. Both serve a main file's function `infer`, a generator or a plain one: which of
 * them it is, the function says itself.
 */
export function addTrainInfer(server: Server, perform: Caller): void {
  const unary =
    <Request, Response>(
      action: "SETUP" | "BATCH",
      standardMs: number,
      wanted: (request: Request) => HostCall,
      respond: (answer: Answer) => Response,
    ): Unary<Request, Response> =>
    async (call, done) => {
      const outcome: Outcome = await perform(call, action, wanted(call.request), standardMs);
      if ("error" in outcome) return done(outcome.error);
      const { answer, trailer } = outcome;
      if (answer.code === CODE.OK) done(null, respond(answer), trailer);
      else done({ ...errorOf(answer), metadata: trailer });
    };
  const nothing = (): Empty => ({});
  for (const name of TRAIN_INFER_SERVICES) {
    server.addService(service(name), {
      Setup: unary<Empty, Empty>("SETUP", SETUP_MS, () => ({ name: TRAIN_INFER, args: [], kwargs: [] }), nothing),
      Infer: unary<InferRequest, InferResponse>(
        "BATCH",
        CALL_MS,
        ({ argument }) => ({ name: "infer", args: [argument ?? { type: 0, value: Buffer.alloc(0) }], kwargs: [] }),
        ({ type, value }) => (type === 0 ? {} : { prediction: { type, value } }),
      ),
      Reinitialize: unary<Empty, Empty>(
        "BATCH",
        SETUP_MS,
        () => ({ name: "reinitialize", args: [], kwargs: [] }),
        nothing,
      ),
    });
  }
}
