import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import type { CallResponse, WireStatus } from "../protocol/messages.ts";
import { decodeVariant } from "../protocol/variant.ts";
import { VariantError } from "../protocol/variant-error.ts";
import { cleanDetail } from "./fleet.ts";

/** What one call came to. `cause` decides what the lane does about it. */
export interface Outcome {
  readonly status: "SUCCESS" | "FAILURE" | "TIMEOUT";
  readonly output: unknown;
  readonly detail: string | null;
  readonly cause:
    | "ANSWER"
    | "MODEL"
    | "BAD_IMPLEMENTATION"
    | "NOT_SET_UP"
    | "USAGE"
    | "TRANSPORT"
    | "AUTH"
    | "DEADLINE";
}

export const failure = (cause: Outcome["cause"], detail: string): Outcome => ({
  status: "FAILURE",
  output: null,
  detail: cleanDetail(detail),
  cause,
});
export const deadlineExceeded = (detail = "DEADLINE_EXCEEDED: no answer in time"): Outcome => ({
  status: "TIMEOUT",
  output: null,
  detail,
  cause: "DEADLINE",
});

/** Nobody was there to call. */
export const unreachable = (why: string): Outcome => failure("TRANSPORT", `UNAVAILABLE: ${why}`);

/** Empty from older runners: they abort with a gRPC code instead of failing in the status. */
export const isSuccess = (status: WireStatus | null | undefined): boolean => !status?.code || status.code === "SUCCESS";

/** Judges an answer; the value of a failed call is thrown away. A promise for tables, which are read elsewhere. */
export function outcomeOf(response: CallResponse): Outcome | Promise<Outcome> {
  const { status, methodResponse } = response;
  if (!isSuccess(status)) return failedStatus(status?.code ?? "", status?.message ?? "");
  try {
    const output = methodResponse ? decodeVariant(methodResponse) : null;
    return output instanceof Promise ? output.then(answered, undecodable) : answered(output);
  } catch (error) {
    return undecodable(error);
  }
}

const answered = (output: unknown): Outcome => ({ status: "SUCCESS", output, detail: null, cause: "ANSWER" });
function undecodable(error: unknown): Outcome {
  if (error instanceof VariantError) return failure("MODEL", error.message);
  throw error;
}

function failedStatus(code: string, message: string): Outcome {
  const detail = `${code}: ${message}`;
  if (code === "BAD_IMPLEMENTATION") return failure("BAD_IMPLEMENTATION", detail);
  if (code === "FAILED_PRECONDITION") return failure("NOT_SET_UP", detail);
  if (code === "INVALID_ARGUMENT") return failure("USAGE", detail);
  return failure("MODEL", detail);
}

/** Judges a call that gRPC ended. */
export function outcomeOfError(error: ServiceError): Outcome {
  const detail = `${grpcStatus[error.code] ?? "UNKNOWN"}: ${error.details}`;
  switch (error.code) {
    case grpcStatus.DEADLINE_EXCEEDED:
      return deadlineExceeded();
    case grpcStatus.RESOURCE_EXHAUSTED:
      // A runner says this while an earlier call of ours still runs; grpc-js says it of an answer above our limit.
      if (/server busy/i.test(error.details)) return { ...deadlineExceeded(cleanDetail(detail)) };
      return failure("MODEL", `TOO_LARGE: ${error.details}`);
    case grpcStatus.FAILED_PRECONDITION:
      return failure("NOT_SET_UP", detail);
    case grpcStatus.INVALID_ARGUMENT:
      return failure("USAGE", detail);
    default:
      return failure("TRANSPORT", detail);
  }
}
