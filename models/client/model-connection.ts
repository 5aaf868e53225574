import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  type CallResponse,
  INCARNATION_HEADER,
  messageType,
  type StatusResponse,
  type WireStatus,
} from "../protocol/messages.ts";
import { deadlineExceeded, type Outcome, outcomeOf, outcomeOfError } from "./outcome.ts";

const MAX_RECEIVE_BYTES = 4 << 20;
const CHANNEL = {
  "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
  "grpc.max_send_message_length": MAX_RECEIVE_BYTES + (1 << 20),
  "grpc.max_metadata_size": 16 << 10,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  // Two models never share a connection, so that a stuck one cannot slow another.
  "grpc.use_local_subchannel_pool": 1,
};
const SERVICE = "/dynamic_subclass.DynamicSubclassService";
const setupResponse = messageType<StatusResponse>("dynamic_subclass.SetupResponse");
const callResponse = messageType<CallResponse>("dynamic_subclass.CallResponse");
const same = (bytes: Buffer): Buffer => bytes;

/** The one channel to a model's runner. Bytes come in encoded, so that a fan-out encodes once. */
export interface ModelConnection {
  /** Resolves when the channel is up; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  /** The runner's status, or what gRPC said. */
  setup(bytes: Buffer, timeoutMs: number): Promise<WireStatus>;
  /** Never rejects. `deadlineAt` in epoch ms; `incarnation` is told by our runner only. */
  call(bytes: Buffer, deadlineAt: number, signal: AbortSignal): Promise<{ outcome: Outcome; incarnation?: string }>;
  close(): void;
}

export function connectModel(address: string): ModelConnection {
  const client = new Client(address, credentials.createInsecure(), CHANNEL);
  return {
    ready: (timeoutMs) =>
      new Promise((resolve, reject) =>
        client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve())),
      ),
    setup: (bytes, timeoutMs) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `${SERVICE}/Setup`,
          same,
          setupResponse.deserialize,
          bytes,
          new Metadata(),
          { deadline: Date.now() + timeoutMs },
          (error, response) => {
            if (error) reject(error);
            else resolve(response?.status ?? { code: "", message: "" });
          },
        );
      }),
    call: (bytes, deadlineAt, signal) =>
      new Promise((resolve) => {
        let incarnation: string | undefined;
        const finish = (outcome: Outcome) => {
          signal.removeEventListener("abort", giveUp);
          resolve(incarnation === undefined ? { outcome } : { outcome, incarnation });
        };
        const done = (error: ServiceError | null, response?: CallResponse) => {
          // The status event, which carries the trailer, comes right behind this callback.
          queueMicrotask(() => {
            if (error) finish(outcomeOfError(error));
            else
              outcomeOf(response ?? {}).then(finish, (cause: Error) =>
                finish({
                  status: "FAILURE",
                  output: null,
                  detail: `INTERNAL: ${cause.message.slice(0, 200)}`,
                  cause: "MODEL",
                }),
              );
          });
        };
        const call = client.makeUnaryRequest(
          `${SERVICE}/Call`,
          same,
          callResponse.deserialize,
          bytes,
          new Metadata(),
          { deadline: deadlineAt },
          done,
        );
        call.on("status", ({ metadata }) => {
          const [value] = metadata.get(INCARNATION_HEADER);
          if (typeof value === "string") incarnation = value;
        });
        const giveUp = () => {
          call.cancel();
          resolve({ outcome: deadlineExceeded() });
        };
        signal.addEventListener("abort", giveUp, { once: true });
      }),
    close: () => client.close(),
  };
}
