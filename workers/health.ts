import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { type Checks, missingOf } from "../api/readiness.ts";
import { registry } from "./metrics.ts";

export interface HealthOptions {
  host: string;
  /** where to begin to look for a free port; 0: any */
  port: number;
  checks: Checks;
  log: Logger;
}

export interface HealthServer {
  url: string;
  port: number;
  close(): Promise<void>;
}

/** Several roles share a machine: each takes the next free port. */
const PORTS_TRIED = 50;

/** Serves /metrics, /livez and /readyz of this process, on the first free port from `port` upward. Rejects when none of 50 is free. */
export async function serveHealth({ host, port, checks, log }: HealthOptions): Promise<HealthServer> {
  const server = createServer({ headersTimeout: 15_000, requestTimeout: 30_000 }, answer(checks, log));
  const taken = await listenFrom(server, host, port);
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${taken}`;
  log.info({ url }, "health and metrics");
  return { url, port: taken, close: () => closeServer(server) };
}

const answer =
  (checks: Checks, log: Logger): RequestListener =>
  (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "/";
    if (request.method !== "GET" && request.method !== "HEAD") return send(response, 405, { detail: "only GET" });
    route(path, checks, response).catch((error: unknown) => {
      log.error({ error: String(error), path }, "health request failed");
      send(response, 500, { detail: "see the log" });
    });
  };

async function route(path: string, checks: Checks, response: ServerResponse): Promise<void> {
  if (path === "/livez") return send(response, 200, { status: "ok" });
  if (path === "/metrics") {
    response.writeHead(200, { "content-type": registry.contentType }).end(await registry.metrics());
    return;
  }
  if (path !== "/readyz") return send(response, 404, { detail: "here are /metrics, /livez and /readyz" });
  const missing = await missingOf(checks);
  send(response, missing.length === 0 ? 200 : 503, { status: missing.length === 0 ? "ready" : "not ready", missing });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" })
    .end(JSON.stringify(body));
}

async function listenFrom(server: Server, host: string, first: number): Promise<number> {
  const last = first === 0 ? 0 : Math.min(65_535, first + PORTS_TRIED - 1);
  for (let port = first; port <= last; port++)
    if (await tryListen(server, host, port)) return (server.address() as AddressInfo).port;
  throw new Error(`no free port from ${first} to ${last} on ${host} for metrics: set METRICS_PORT to another range`);
}

/** False: the port is taken. Other failures (no such address, no permission) reject. */
const tryListen = (server: Server, host: string, port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off("listening", listening);
      error.code === "EADDRINUSE" ? resolve(false) : reject(error);
    };
    const listening = () => {
      server.off("error", failed);
      resolve(true);
    };
    server.once("error", failed).once("listening", listening).listen(port, host);
  });

export const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
