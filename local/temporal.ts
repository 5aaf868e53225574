import { writeFileSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "@temporalio/client";
import { listProcesses } from "./process-identity.ts";

const READY_WITHIN_MS = 60_000;
const POLL_MS = 100;
const TRY_MS = 3000;
const CHOSEN_TRY_MS = 5000;
/** The name by which a server that some Almanac folder started is known in the process list. */
const DATABASE_FILE = "almanac-temporal.db";
/** gRPC's frame of a message without fields: not compressed, length 0. */
const EMPTY_MESSAGE = Buffer.alloc(5);
const SYSTEM_INFO = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";

type Environment = Readonly<Record<string, string | undefined>>;

/** The user named a server, by address or by profile: then it is that one or none. */
export const isTemporalChosen = (env: Environment) =>
  Boolean(env.TEMPORAL_ADDRESS || env.TEMPORAL_PROFILE || env.TEMPORAL_CONFIG_FILE);

/** Settings that reach a server of this machine: a profile of the user's must not add TLS or a key, so an empty one is named. */
export function localConnectionSettings(dir: string, address: string): Record<string, string> {
  const path = join(resolve(dir), "temporal.toml");
  writeFileSync(path, "[profile.default]\n"); // a file without any profile is refused
  return { TEMPORAL_ADDRESS: address, TEMPORAL_CONFIG_FILE: path };
}

/** How to reach the chosen server: settings of @temporalio/envconfig (TLS, API key, profile), environment first. */
export async function chosenConnection(env: Environment): Promise<ConnectionOptions> {
  const { loadClientConnectConfig } = await import("@temporalio/envconfig");
  const own = Object.entries(env).filter(([name, value]) => name.startsWith("TEMPORAL_") && value);
  return loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(own) as Record<string, string> })
    .connectionOptions;
}

/** Arguments of the dev server. The tuning makes queue tasks and timers prompt on one node; correctness does not need it. */
export function temporalArgs(options: {
  dir: string;
  port: number;
  uiPort: number;
  namespaces: readonly string[];
}): string[] {
  const tuning = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"50ms"',
    "system.enableActivityEagerExecution": "true",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
  };
  const args = ["server", "start-dev", "--ip", "127.0.0.1"];
  args.push("--port", String(options.port), "--ui-port", String(options.uiPort));
  args.push("--db-filename", join(resolve(options.dir), DATABASE_FILE));
  args.push("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL", "--log-level", "warn");
  for (const namespace of options.namespaces) args.push("--namespace", namespace);
  for (const [name, value] of Object.entries(tuning)) args.push("--dynamic-config-value", `${name}=${value}`);
  return args;
}

/** The reason why nothing listens at host:port; undefined when something does. */
function connectProblem(address: string, withinMs: number): Promise<string | undefined> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  return new Promise((settle) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ""), port: Number(port), timeout: withinMs });
    const end = (problem: string | undefined) => {
      socket.destroy();
      settle(problem);
    };
    socket.once("connect", () => end(undefined));
    socket.once("timeout", () => end(`no answer within ${withinMs} ms`));
    socket.once("error", (error) => end(error.message || String((error as NodeJS.ErrnoException).code)));
  });
}

/**
 * The reason why no healthy Temporal answers without TLS at host:port; undefined when one does. Asks for its system
 * information over plain HTTP/2, as gRPC does: a port that merely accepts is not enough, and the SDK's client would
 * cost a process 60 MB for life. HTTP/2 costs 10 MB: it is loaded when something listens there.
 */
export async function temporalProblem(address: string, withinMs = TRY_MS): Promise<string | undefined> {
  const problem = await connectProblem(address, withinMs);
  if (problem !== undefined) return problem;
  const { connect: openSession } = await import("node:http2");
  return systemInfoProblem(openSession(`http://${address}`), withinMs);
}

function systemInfoProblem(session: ClientHttp2Session, withinMs: number): Promise<string | undefined> {
  return new Promise((settle) => {
    const end = (problem: string | undefined) => {
      clearTimeout(timer);
      session.destroy();
      settle(problem);
    };
    const timer = setTimeout(() => end(`no answer within ${withinMs} ms`), withinMs);
    session.once("error", (error) => end(error.message || String((error as NodeJS.ErrnoException).code)));
    session.once("close", () => end("the connection was closed"));
    const call = session.request({
      ":method": "POST",
      ":path": SYSTEM_INFO,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const judge = (headers: Record<string, unknown>) => {
      const { "grpc-status": status, "grpc-message": message } = headers;
      if (status !== undefined) end(String(status) === "0" ? undefined : `gRPC status ${status}: ${message ?? ""}`);
    };
    call.once("error", (error) => end(error.message));
    call.once("response", judge); // an error comes in the headers, success in the trailers
    call.once("trailers", judge);
    call.once("end", () => end("it is no gRPC server"));
    call.resume();
    call.end(EMPTY_MESSAGE);
  });
}

/** Waits until the server answers; throws with the last reason, at once when `signal` says that its process has ended. */
export async function waitForTemporal(
  address: string,
  { withinMs = READY_WITHIN_MS, signal }: { withinMs?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const problem = await temporalProblem(address);
    if (problem === undefined) return;
    if (signal?.aborted) throw new Error(`Temporal at ${address} ended while it started`);
    if (Date.now() > deadline)
      throw new Error(`Temporal at ${address} did not come up within ${withinMs / 1000} s: ${problem}`);
    await sleep(POLL_MS);
  }
}

/** True when the server on that port was started by an Almanac folder, and not by the user for everybody. */
export function isAlmanacServer(port: number): boolean {
  const isIt = (command: string) => command.includes(DATABASE_FILE) && ` ${command} `.includes(` --port ${port} `);
  return listProcesses().some(({ command }) => isIt(command));
}

/** Checks the server that the user chose, with its TLS and keys. Gives back its address; throws with cause and cure. */
export async function checkChosenTemporal(env: Environment): Promise<string> {
  const { Connection } = await import("@temporalio/client");
  const options = await chosenConnection(env);
  try {
    const connection = await Connection.connect({ ...options, connectTimeout: CHOSEN_TRY_MS });
    await connection.close();
    return options.address ?? "localhost:7233";
  } catch (cause) {
    const why = (cause as Error).message.split("\n", 1)[0];
    throw new Error(
      `TEMPORAL_ADDRESS: no Temporal answers at ${options.address ?? "(no address in the profile)"}: ${why}. Start it, correct TEMPORAL_ADDRESS (or the profile), or unset it to let Almanac run a server of its own.`,
      { cause },
    );
  }
}
