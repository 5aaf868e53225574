import { status as grpcStatus } from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import type { Variant } from "../protocol/variant.ts";
import type { Caller } from "./caller.ts";
import type { Answer, HostCall } from "./frames.ts";
import { type Method, type Refusal, unary } from "./rpc.ts";

export const TRAIN_INFER_SERVICES = ["train_infer.TrainInferService", "train_infer.TrainInferStreamService"] as const;
/** What the host takes in place of a base class; no class has such a name. */
const TRAIN_INFER = ":train-infer";
const SETUP_MS = 120_000;
const CALL_MS = 60_000;

interface InferRequest {
  argument?: Variant | null;
}

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

function refusalOf({ code, value }: Answer): Refusal {
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
export function trainInferMethods(perform: Caller): Method[] {
  const method = <Request extends object>(
    [service, name]: readonly [string, string],
    action: "SETUP" | "BATCH",
    standardMs: number,
    wanted: (request: Request) => HostCall,
    respond: (answer: Answer) => object = () => ({}),
  ): Method =>
    unary<Request>(service, name, async (request, deadlineAt) => {
      const outcome = await perform(deadlineAt, action, wanted(request), standardMs);
      if ("error" in outcome) return outcome;
      const { answer, trailer } = outcome;
      return answer.code === CODE.OK ? { response: respond(answer), trailer } : { error: refusalOf(answer), trailer };
    });
  return TRAIN_INFER_SERVICES.flatMap((service) => [
    method([service, "Setup"], "SETUP", SETUP_MS, () => ({ name: TRAIN_INFER, args: [], kwargs: [] })),
    method<InferRequest>(
      [service, "Infer"],
      "BATCH",
      CALL_MS,
      ({ argument }) => ({ name: "infer", args: [argument ?? { type: 0, value: Buffer.alloc(0) }], kwargs: [] }),
      ({ type, value }) => (type === 0 ? {} : { prediction: { type, value } }),
    ),
    method([service, "Reinitialize"], "BATCH", SETUP_MS, () => ({ name: "reinitialize", args: [], kwargs: [] })),
  ]);
}
