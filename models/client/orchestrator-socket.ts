import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { WebSocket } from "ws";

const MAX_MESSAGE_BYTES = 1 << 20;
const HANDSHAKE_MS = 10_000;
const PING_MS = 20_000;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10_000;
const MAX_WAITING = 100;

/** A connection to the orchestrator that comes back by itself. */
export interface OrchestratorSocket {
  /** Resolves with the first message taken; rejects after `tries` connections that brought none. */
  readonly first: Promise<void>;
  send(message: string): void;
  close(): void;
}

const jittered = (ms: number) => ms * (0.5 + Math.random());

/** `take` gets each message and says whether it was the state of the fleet (which is what `first` waits for). */
export function followOrchestrator(options: {
  url: string;
  tries: number;
  logger: Logger;
  take: (message: string) => boolean;
}): OrchestratorSocket {
  const { url, logger } = options;
  const waiting: string[] = [];
  const closing = new AbortController();
  const { promise: first, resolve, reject } = Promise.withResolvers<void>();
  first.catch(() => undefined); // a caller that never asks must not bring the process down
  let socket: WebSocket | undefined;
  let started = false;

  function connect(): Promise<string> {
    return new Promise((ended) => {
      const own = new WebSocket(url, {
        maxPayload: MAX_MESSAGE_BYTES,
        handshakeTimeout: HANDSHAKE_MS,
        perMessageDeflate: false,
      });
      socket = own;
      let alive = true;
      let cause = "";
      const ping = setInterval(() => {
        if (!alive) own.terminate();
        alive = false;
        if (own.readyState === WebSocket.OPEN) own.ping();
      }, PING_MS);
      own.on("pong", () => {
        alive = true;
      });
      own.on("open", () => {
        for (const message of waiting.splice(0)) own.send(message);
      });
      own.on("message", (data) => {
        alive = true;
        if (!options.take(String(data)) || started) return;
        started = true;
        resolve();
      });
      own.on("error", (error) => {
        cause = error.message;
      });
      own.on("close", (code) => {
        clearInterval(ping);
        ended(cause || `closed with ${code}`);
      });
    });
  }

  async function follow(): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    for (let tried = 1; !closing.signal.aborted; tried++) {
      const before = Date.now();
      const cause = await connect();
      if (closing.signal.aborted) return;
      if (!started && tried >= options.tries) {
        reject(
          new Error(
            `No model orchestrator at ${url} after ${tried} tries (${cause}). Start it, or set MODEL_RUNNER_NODE_HOST and MODEL_RUNNER_NODE_PORT to where it listens.`,
          ),
        );
        return;
      }
      if (Date.now() - before > MAX_BACKOFF_MS) backoff = FIRST_BACKOFF_MS;
      logger.warn({ url, cause, retryInMs: Math.round(backoff) }, "orchestrator connection ended");
      await sleep(jittered(backoff), undefined, { signal: closing.signal }).catch(() => undefined);
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
    }
  }

  void follow();
  return {
    first,
    send(message) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(message);
      else if (waiting.length < MAX_WAITING) waiting.push(message);
    },
    close() {
      closing.abort();
      socket?.terminate();
      reject(new Error("The fleet client was closed."));
    },
  };
}
