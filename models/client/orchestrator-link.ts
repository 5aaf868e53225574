import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { FailureReport } from "../protocol/orchestrator-messages.ts";

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10_000;
const MAX_WAITING = 100;

/** A connection to the orchestrator that comes back by itself. */
export interface OrchestratorLink {
  /** Resolves with the first whole state taken; rejects after `tries` connections that brought none. */
  readonly first: Promise<void>;
  /** Kept, up to a bound, until there is a connection. */
  report(report: FailureReport): void;
  close(): void;
}

/** One connection, while it lasts. */
export interface OrchestratorConnection {
  /** Resolves, never rejects, with why it ended. */
  readonly ended: Promise<string>;
  close(): void;
}
export interface ConnectionEvents {
  /** From now on reports can be sent. `send` gives false when this one could not be: it is kept for the next connection. */
  opened(send: (report: FailureReport) => boolean | Promise<boolean>): void;
  /** JSON text, or the message itself */
  message(message: unknown): void;
}
/** A way to speak with an orchestrator: WebSocket or gRPC. */
export interface OrchestratorTransport {
  /** for logs and errors */
  readonly url: string;
  connect(events: ConnectionEvents): OrchestratorConnection;
}

const jittered = (ms: number) => ms * (0.5 + Math.random());

/** `take` gets each message and says whether it was the whole state (which is what `first` waits for). */
export function followOrchestrator(options: {
  transport: OrchestratorTransport;
  tries: number;
  logger: Logger;
  take: (message: unknown) => boolean;
}): OrchestratorLink {
  const { logger, transport } = options;
  const waiting: FailureReport[] = [];
  const closing = new AbortController();
  const { promise: first, resolve, reject } = Promise.withResolvers<void>();
  first.catch(() => undefined); // a caller that never asks must not bring the process down
  let connection: OrchestratorConnection | undefined;
  let send: ((report: FailureReport) => boolean | Promise<boolean>) | undefined;
  let started = false;

  const keep = (report: FailureReport) => {
    if (waiting.length < MAX_WAITING) waiting.push(report);
    else logger.warn({ model: report.model_id }, "a failure report is lost: too many wait for the orchestrator");
  };
  const report = async (entry: FailureReport) => {
    if (!(await send?.(entry))) keep(entry);
  };

  async function connect(): Promise<string> {
    connection = transport.connect({
      opened(sender) {
        send = sender;
        for (const entry of waiting.splice(0)) void report(entry);
      },
      message(message) {
        if (!options.take(message) || started) return;
        started = true;
        resolve();
      },
    });
    const cause = await connection.ended;
    send = undefined;
    return cause;
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
            `No model orchestrator at ${transport.url} after ${tried} tries (${cause}). Start it, or set MODEL_RUNNER_NODE_HOST and MODEL_RUNNER_NODE_PORT to where it listens.`,
          ),
        );
        return;
      }
      if (Date.now() - before > MAX_BACKOFF_MS) backoff = FIRST_BACKOFF_MS;
      const wait = jittered(backoff);
      logger.warn({ url: transport.url, cause, retryInMs: Math.round(wait) }, "orchestrator connection ended");
      await sleep(wait, undefined, { signal: closing.signal }).catch(() => undefined);
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
    }
  }

  void follow();
  return {
    first,
    report: (entry) => void report(entry),
    close() {
      closing.abort();
      connection?.close();
      reject(new Error("The fleet client was closed."));
    },
  };
}
