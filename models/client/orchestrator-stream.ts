import { Client, credentials } from "@grpc/grpc-js";
import type { FailureReport } from "../protocol/orchestrator-messages.ts";
import {
  ORCHESTRATOR,
  orchestratorType,
  type ReportFailureRequest,
  type ReportFailureResponse,
  type WatchEvent,
  type WatchRequest,
} from "../protocol/orchestrator-service.ts";
import type { ConnectionEvents, OrchestratorConnection, OrchestratorTransport } from "./orchestrator-link.ts";

const CONNECT_MS = 10_000;
const REPORT_MS = 10_000;
const CHANNEL = {
  "grpc.max_receive_message_length": 1 << 20,
  "grpc.max_metadata_size": 16 << 10,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
  // Our own orchestrator expects pings; a foreign runner is never pinged like this.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
};
const watchRequest = orchestratorType<WatchRequest>("WatchRequest");
const watchEvent = orchestratorType<WatchEvent>("Event");
const reportRequest = orchestratorType<ReportFailureRequest>("ReportFailureRequest");
const reportResponse = orchestratorType<ReportFailureResponse>("ReportFailureResponse");

/** Our orchestrator's gRPC service: protos/orchestrator.proto. */
export function grpcTransport(host: string, port: number, crunchId: string): OrchestratorTransport {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return { url: `grpc://${address}/${crunchId}`, connect: (events) => connect(address, crunchId, events) };
}

function connect(address: string, crunchId: string, events: ConnectionEvents): OrchestratorConnection {
  // A channel of its own each time: the link decides when to try again, not the channel's back-off.
  const client = new Client(address, credentials.createInsecure(), CHANNEL);
  const { promise, resolve: end } = Promise.withResolvers<string>();

  const report = (entry: FailureReport): Promise<boolean> =>
    new Promise((resolve) => {
      client.makeUnaryRequest(
        ORCHESTRATOR.ReportFailure!.path,
        reportRequest.serialize,
        reportResponse.deserialize,
        { crunch_id: crunchId, reports: [entry] },
        { deadline: Date.now() + REPORT_MS },
        (error, response) => {
          const refused = response?.results.find(({ accepted }) => !accepted);
          if (refused) events.message({ error: refused.reason });
          resolve(error === null); // what was refused once will be again
        },
      );
    });

  const stream = client.makeServerStreamRequest(
    ORCHESTRATOR.Watch!.path,
    watchRequest.serialize,
    watchEvent.deserialize,
    { crunch_id: crunchId },
  );
  const silent = setTimeout(() => stream.cancel(), CONNECT_MS);
  stream.on("metadata", () => {
    clearTimeout(silent);
    events.opened(report);
  });
  stream.on("data", ({ kind, data }: WatchEvent) => events.message({ event: kind.toLowerCase(), data }));
  stream.on("error", (error) => end(error.message));
  stream.on("end", () => end("the stream has ended"));
  return {
    ended: promise.finally(() => {
      clearTimeout(silent);
      client.close();
    }),
    close: () => stream.cancel(),
  };
}
