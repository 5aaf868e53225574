import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** How a server can answer a request that it should have answered properly. */
export type HttpFault =
  | { kind: "status"; status: number; retryAfter?: string }
  | { kind: "html" }
  | { kind: "wrong-shape" }
  | { kind: "empty" }
  | { kind: "slow"; ms: number }
  | { kind: "cut" };

/** What a server can do to a frame of a stream, or to the connection that it is due on. */
export type StreamFault =
  | "disconnect"
  | "half-open"
  | "malformed"
  | "half-malformed"
  | "lost"
  | "duplicate"
  | "late"
  | "correction"
  | { refuse: number; retryAfter?: string };

/** Faults on command: each is used once, by the next request or frame. */
export interface Faults {
  http: HttpFault[];
  stream: StreamFault[];
  /** added to the server's clock wherever it tells the time, ms */
  skewMs: number;
  /** the history ends so many records before what the stream has sent */
  historyLag: number;
}

export const noFaults = (): Faults => ({ http: [], stream: [], skewMs: 0, historyLag: 0 });

/** Answers with JSON, or misbehaves; `empty` is what a lying server says when it has data. */
export async function answer(response: ServerResponse, faults: Faults, body: unknown, empty: unknown): Promise<void> {
  response.setHeader("date", new Date(Date.now() + faults.skewMs).toUTCString());
  const fault = faults.http.shift();
  const send = (status: number, type: string, text: string): void => {
    response.writeHead(status, { "content-type": type }).end(text);
  };
  if (fault?.kind === "slow") await delay(fault.ms);
  if (fault?.kind === "cut")
    response.writeHead(200, { "content-length": "100000" }).write("{", () => response.destroy());
  else if (fault?.kind === "html") send(200, "text/html", "<!doctype html><title>Just a moment…</title>");
  else if (fault?.kind === "wrong-shape") send(200, "application/json", '{"surprise":true}');
  else if (fault?.kind === "empty") send(200, "application/json", JSON.stringify(empty));
  else if (fault?.kind === "status") {
    if (fault.retryAfter) response.setHeader("retry-after", fault.retryAfter);
    send(fault.status, "text/plain", `error ${fault.status}`);
  } else send(200, "application/json", JSON.stringify(body));
}

/** A fault that concerns a new connection, if that is the next one. */
export function refusalIn(faults: Faults): { refuse: number; retryAfter?: string } | undefined {
  const [next] = faults.stream;
  if (typeof next !== "object") return undefined;
  faults.stream.shift();
  return next;
}

/** One connection of a stream, whatever carries it. */
export interface Connection {
  send(text: string): void;
  destroy(): void;
  muted: boolean;
  held: string[];
}

/** Sends one frame, or does to it what the next fault says. */
export function sendFrame(
  connection: Connection,
  faults: Faults,
  frame: { text: string; corrected: string; halfMalformed: string },
): void {
  if (connection.muted) return;
  const fault = typeof faults.stream[0] === "string" ? faults.stream.shift() : undefined;
  const held = connection.held.splice(0);
  if (fault === "disconnect") connection.destroy();
  else if (fault === "half-open") connection.muted = true;
  else if (fault === "malformed") connection.send('{"oops');
  else if (fault === "half-malformed") connection.send(frame.halfMalformed);
  else if (fault === "late") connection.held.push(frame.text);
  else if (fault !== "lost") {
    connection.send(frame.text);
    if (fault === "duplicate") connection.send(frame.text);
    if (fault === "correction") connection.send(frame.corrected);
  }
  if (fault !== "disconnect") for (const text of held) connection.send(text);
}

/** Records come into being one a period, by the clock alone: the pure truth that a feed is compared with. */
export interface Timeline {
  /** so many exist */
  published(): number;
}
export function timeline(periodMs: number): Timeline {
  const bootMs = performance.now();
  return { published: () => Math.floor((performance.now() - bootMs) / periodMs) };
}

export const queryOf = (request: IncomingMessage): URL => new URL(request.url ?? "/", "http://localhost");
