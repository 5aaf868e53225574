import type { Socket } from "node:net";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Logger } from "pino";
import { type DeploymentEvent, failureReport } from "../protocol/orchestrator-messages.ts";
import {
  ORCHESTRATOR,
  orchestratorType,
  type ReportFailureRequest,
  type ReportFailureResponse,
  type WatchEvent,
  type WatchRequest,
} from "../protocol/orchestrator-service.ts";
import type { EventSource } from "./event-server.ts";

const MAX_MESSAGE_BYTES = 1 << 20;
const MAX_CLIENTS = 64;
const MAX_BACKLOG_BYTES = 4 << 20;
const MAX_REPORTS = 1_000;
const SERVER = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_metadata_size": 16 << 10,
  "grpc.max_concurrent_streams": MAX_CLIENTS + 8,
  // A client that is gone without a word is noticed.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
};
const same = (bytes: Buffer): Buffer => bytes;
const eventType = orchestratorType<WatchEvent>("Event");

/** A stream to one client. Messages wait here, not in the transport, so that they can be dropped. */
interface Watcher {
  readonly crunchId: string;
  send(message: Buffer): void;
  end(code: status, details: string): void;
}

/** The service of protos/orchestrator.proto, from the same source as the WebSocket, over connections that somebody else accepted. */
export interface GrpcEvents {
  take(socket: Socket): void;
  publish(crunchId: string, events: readonly DeploymentEvent[]): void;
  close(): void;
}

export function createGrpcEvents(options: { readonly logger: Logger; readonly source: EventSource }): GrpcEvents {
  const { logger, source } = options;
  const watchers = new Set<Watcher>();
  let open = 0;

  const watch: handleServerStreamingCall<WatchRequest, Buffer> = (call) => {
    const watcher = createWatcher(call);
    let here = true;
    const gone = () => {
      if (here) open--;
      here = false;
      watchers.delete(watcher);
    };
    call.once("close", gone);
    call.once("cancelled", gone);
    open++;
    if (open > MAX_CLIENTS) return watcher.end(status.RESOURCE_EXHAUSTED, `more than ${MAX_CLIENTS} clients`);
    if (call.request.crunch_id === "") return watcher.end(status.INVALID_ARGUMENT, "crunch_id is required");
    call.sendMetadata(new Metadata()); // it is served; what it is told may come later
    void source.ready.then(() => {
      if (!here) return;
      watchers.add(watcher);
      watcher.send(encode("INIT", source.events(watcher.crunchId)));
    });
  };

  const reportFailure: handleUnaryCall<ReportFailureRequest, ReportFailureResponse> = ({ request }, answer) => {
    const { crunch_id: crunchId, reports } = request;
    if (crunchId === "") return answer({ code: status.INVALID_ARGUMENT, details: "crunch_id is required" });
    if (reports.length > MAX_REPORTS)
      return answer({ code: status.INVALID_ARGUMENT, details: `${reports.length} reports, at most ${MAX_REPORTS}` });
    answer(null, { results: reports.map((report) => take(report, crunchId)) });
  };

  function take(given: unknown, crunchId: string): { accepted: boolean; reason: string } {
    const parsed = failureReport.safeParse(given);
    const issue = parsed.error?.issues[0];
    if (!parsed.success) return { accepted: false, reason: `BAD_REPORT: ${issue?.path.join(".")}: ${issue?.message}` };
    const { model_id: id, failure_code: code } = parsed.data;
    if (code === "") return { accepted: false, reason: "BAD_REPORT: failure_code: is required" };
    if (!source.knows(id, crunchId))
      return { accepted: false, reason: `NO_MODEL: ${crunchId} runs no model ${id.slice(0, 100)}` };
    source.onReport(parsed.data);
    return { accepted: true, reason: "" };
  }

  const server = new Server(SERVER);
  // What goes to many clients is written once.
  const service = { ...ORCHESTRATOR, Watch: { ...ORCHESTRATOR.Watch!, responseSerialize: same } };
  server.addService(
    service as typeof ORCHESTRATOR,
    {
      Watch: watch,
      ReportFailure: reportFailure,
    } as unknown as UntypedServiceImplementation,
  );
  const connections = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    take: (socket) => connections.injectConnection(socket),
    publish(crunchId, events) {
      const message = encode("UPDATE", events);
      for (const watcher of watchers) if (watcher.crunchId === crunchId) watcher.send(message);
    },
    close: () => server.forceShutdown(),
  };

  function createWatcher(call: ServerWritableStream<WatchRequest, Buffer>): Watcher {
    const waiting: Buffer[] = [];
    let bytes = 0;
    let writing = false;
    const next = () => {
      const message = waiting.shift();
      writing = message !== undefined;
      if (message === undefined || call.cancelled) return;
      bytes -= message.length;
      call.write(message, next);
    };
    const end = (code: status, details: string) => {
      watchers.delete(watcher);
      waiting.length = 0;
      call.emit("error", { code, details });
    };
    const watcher: Watcher = {
      crunchId: call.request.crunch_id,
      send(message) {
        waiting.push(message);
        bytes += message.length;
        // It gets everything anew when it comes back.
        if (bytes > MAX_BACKLOG_BYTES) {
          logger.warn({ peer: call.getPeer(), bytes }, "a client that does not read is dropped");
          end(status.RESOURCE_EXHAUSTED, "SLOW_READER: too much waits to be read; watch again");
        } else if (!writing) next();
      },
      end,
    };
    return watcher;
  }
}

const encode = (kind: WatchEvent["kind"], data: readonly DeploymentEvent[]): Buffer =>
  eventType.serialize({ kind, data: [...data] });
