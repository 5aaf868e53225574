import type { ServiceError } from "@grpc/grpc-js";
import {
  type CallResponse,
  INCARNATION_HEADER,
  messageType,
  type StatusResponse,
  type WireStatus,
} from "../protocol/messages.ts";
import { AuthError } from "../secure/auth-error.ts";
import type { ModelSecurity } from "../secure/client-security.ts";
import { CHANNEL } from "./channel.ts";
import { cleanDetail } from "./fleet.ts";
import { deadlineExceeded, type Outcome, outcomeOf, outcomeOfError } from "./outcome.ts";
import { plainChannel } from "./plain-channel.ts";
import { CallAborted } from "./runner-channel.ts";

const MAX_RECEIVE_BYTES = 4 << 20;
const OPTIONS = {
  ...CHANNEL,
  "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
  "grpc.max_send_message_length": MAX_RECEIVE_BYTES + (1 << 20),
};
const SERVICE = "/dynamic_subclass.DynamicSubclassService";
const setupResponse = messageType<StatusResponse>("dynamic_subclass.SetupResponse");
const callResponse = messageType<CallResponse>("dynamic_subclass.CallResponse");

/** The one channel to a model's runner. Bytes come in encoded, so that a fan-out encodes once. */
export interface ModelConnection {
  /** Resolves when the channel is up; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  /** The runner's status; rejects with what gRPC said, or an AuthError. */
  setup(bytes: Buffer, timeoutMs: number): Promise<WireStatus>;
  /** Never rejects. `deadlineAt` in epoch ms; `incarnation` is told by our runner only. */
  call(bytes: Buffer, deadlineAt: number, signal: AbortSignal): Promise<{ outcome: Outcome; incarnation?: string }>;
  /** SHA-256 in hex of the key that the runner has proved to be the model's; undefined without such proof. */
  provenKey(): string | undefined;
  close(): void;
}

/** Without `security` the channel is plain and nobody proves anything. */
export function connectModel(address: string, security?: ModelSecurity): ModelConnection {
  const channel = security ? security(address, OPTIONS) : plainChannel(address, OPTIONS);
  return {
    ready: (timeoutMs) => channel.ready(timeoutMs).catch(tell),
    async setup(bytes, timeoutMs) {
      const request = { path: `${SERVICE}/Setup`, bytes, parse: setupResponse.deserialize };
      const { response } = await channel.unary({ ...request, deadlineAt: Date.now() + timeoutMs }).catch(tell);
      return response.status ?? { code: "", message: "" };
    },
    async call(bytes, deadlineAt, signal) {
      const request = { path: `${SERVICE}/Call`, bytes, parse: callResponse.deserialize, deadlineAt, signal };
      try {
        const { response, trailer } = await channel.unary(request);
        const outcome = await outcomeOf(response);
        const [incarnation] = trailer.get(INCARNATION_HEADER);
        return typeof incarnation === "string" ? { outcome, incarnation } : { outcome };
      } catch (error) {
        return { outcome: outcomeOfFailure(error as Error) };
      }
    },
    provenKey: () => channel.provenKey?.(),
    close: () => channel.close(),
  };
}

const AUTH_FAILED = "AUTH_FAILED";
const tell = (error: Error): never => {
  throw error instanceof AuthError
    ? new AuthError(error.reason, `${AUTH_FAILED}: ${error.message}`, { cause: error })
    : error;
};

function outcomeOfFailure(error: Error): Outcome {
  if (error instanceof CallAborted) return deadlineExceeded();
  if (error instanceof AuthError) return failed("AUTH", `${AUTH_FAILED}: ${error.message}`);
  return "code" in error ? outcomeOfError(error as ServiceError) : internal(error);
}
const internal = (cause: Error): Outcome => failed("MODEL", `INTERNAL: ${cause.message.slice(0, 200)}`);
const failed = (cause: Outcome["cause"], detail: string): Outcome => ({
  status: "FAILURE",
  output: null,
  detail: cleanDetail(detail),
  cause,
});
