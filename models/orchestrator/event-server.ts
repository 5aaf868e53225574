import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { type DeploymentEvent, type FailureReport, failureReport } from "../protocol/orchestrator-messages.ts";

const MAX_MESSAGE_BYTES = 1 << 20;
const MAX_CLIENTS = 64;
const MAX_BACKLOG_BYTES = 4 << 20;
const NO_CRUNCH = JSON.stringify({ error: "crunch_id is required and is expected in the path as /<crunch_id>" });

/** Tells clients which models run, and takes what they report. */
export interface EventServer {
  readonly port: number;
  publish(crunchId: string, events: readonly DeploymentEvent[]): void;
  close(): Promise<void>;
}

/** Where the servers' words come from and where reports go: one source for the WebSocket and gRPC. */
export interface EventSource {
  /** New clients are told nothing before: half a state would make them drop healthy models. */
  readonly ready: Promise<void>;
  /** what a new client is told */
  readonly events: (crunchId: string) => DeploymentEvent[];
  /** Whether the crunch has such a model: reports about strangers are dropped, the others of the message are not. */
  readonly knows: (modelId: string, crunchId: string) => boolean;
  readonly onReport: (report: FailureReport) => void;
}

interface EventServerOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly source: EventSource;
}

/** The text of a message to clients. */
export const eventText = (event: "init" | "update", data: readonly DeploymentEvent[]): string =>
  JSON.stringify({ event, data });

/** `ws://host:port/<crunch_id>`. @throws Error when the port is taken */
export async function startEventServer(options: EventServerOptions): Promise<EventServer> {
  const { logger, source } = options;
  const clients = new Map<WebSocket, string>();
  const http = createServer((_request, response) => {
    response.writeHead(426, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    response.end("Upgrade Required: use WebSocket\n");
  });
  // Browsers send an Origin: a page anywhere could else read the fleet through the visitor's loopback.
  const sockets = new WebSocketServer({
    server: http,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    verifyClient: ({ origin }: { origin?: string }) => !origin && sockets.clients.size < MAX_CLIENTS,
  });

  sockets.on("connection", (socket, request) => {
    socket.on("error", (error) => logger.debug({ err: error }, "client connection failed"));
    const crunchId = crunchOf(request.url ?? "/");
    if (crunchId === "") {
      socket.send(NO_CRUNCH);
      socket.close(1000);
      return;
    }
    socket.on("close", () => clients.delete(socket));
    socket.on("message", (data) => {
      const problem = take(data, crunchId);
      if (problem !== undefined) socket.send(JSON.stringify({ error: problem }));
    });
    void source.ready.then(() => {
      if (socket.readyState !== WebSocket.OPEN) return;
      clients.set(socket, crunchId);
      socket.send(eventText("init", source.events(crunchId)));
    });
  });
  sockets.on("error", () => undefined); // the HTTP server below reports it

  function take(data: RawData, crunchId: string): string | undefined {
    const { reports, problem } = readReports(String(data));
    for (const report of reports) if (source.knows(report.model_id, crunchId)) source.onReport(report);
    return problem;
  }

  await new Promise<void>((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => {
      const busy =
        error.code === "EADDRINUSE"
          ? `Port ${options.port} is taken. Stop what uses it, or set ORCHESTRATOR_PORT to a free one.`
          : error.message;
      reject(
        new Error(`The model orchestrator cannot listen on ${options.host}:${options.port}. ${busy}`, { cause: error }),
      );
    });
    http.listen(options.port, options.host, resolve);
  });
  return {
    port: (http.address() as AddressInfo).port,
    publish(crunchId, events) {
      const text = eventText("update", events);
      for (const [socket, id] of clients) {
        if (id !== crunchId) continue;
        // A client that does not read would make us keep all of it; it gets everything anew when it comes back.
        if (socket.bufferedAmount > MAX_BACKLOG_BYTES) socket.terminate();
        else socket.send(text);
      }
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** The path without its query and outer slashes. */
export function crunchOf(url: string): string {
  const path = url.split("?")[0] ?? "";
  try {
    return decodeURIComponent(path).replace(/^\/+|\/+$/g, "");
  } catch {
    return "";
  }
}

/** What a client's message reports; `problem` when it, or an entry of it, cannot be understood. Other events are ignored. */
export function readReports(text: string): { reports: FailureReport[]; problem?: string } {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return { reports: [], problem: "the message is not JSON" };
  }
  if (typeof message !== "object" || message === null)
    return { reports: [], problem: "the message is not a JSON object" };
  if (!("event" in message) || message.event !== "report_failure") return { reports: [] };
  if (!("data" in message) || !Array.isArray(message.data))
    return { reports: [], problem: "report_failure needs data: a list" };
  const parsed = message.data.map((entry: unknown) => failureReport.safeParse(entry));
  const reports = parsed.flatMap((entry) => (entry.success ? [entry.data] : []));
  const bad = parsed.findIndex((entry) => !entry.success);
  const issue = parsed[bad]?.error?.issues[0];
  return bad < 0 ? { reports } : { reports, problem: `data.${bad}.${issue?.path.join(".")}: ${issue?.message}` };
}
