import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { pino } from "pino";
import { type Config, readConfig } from "../config.ts";
import { type Client, type ClientOptions, createClient, type FleetModel } from "../models/client/index.ts";
import { type ClientCommand, readCommand, resultLine, writeLine } from "./client-lines.ts";

/** Models announced at the start are waited for this long before `{"ready":true}`; later ones join as they connect. */
const SETTLE_MS = 10_000;
const ORCHESTRATOR_TRIES = 5;

export interface ClientFlags {
  readonly host?: string;
  readonly port?: number;
  readonly crunchId?: string;
  readonly baseClass?: string;
  readonly timeout?: number;
  readonly maxFailures?: number;
  readonly maxTimeouts?: number;
  readonly orchestrator?: "ws" | "grpc";
  readonly compat?: boolean;
}

/** `almanac client`: calls the models of an orchestrator by lines of JSON. Ends with the input, `exit` or a signal. */
export async function clientCommand(flags: ClientFlags): Promise<void> {
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  process.stdout.once("error", () => ended.abort()); // whoever read is gone
  await using client = createClient(optionsOf(flags));
  await client.init();
  await client.settled(SETTLE_MS);
  await serveLines(client, process.stdin, process.stdout, ended.signal);
  process.stdin.destroy(); // an open terminal would keep the process alive
}

function optionsOf(flags: ClientFlags): ClientOptions {
  const config = readConfig();
  return {
    host: flags.host ?? config.MODEL_RUNNER_NODE_HOST,
    port: flags.port ?? config.MODEL_RUNNER_NODE_PORT,
    crunchId: flags.crunchId ?? config.CRUNCH_ID,
    baseClassname: flags.baseClass ?? config.MODEL_BASE_CLASSNAME,
    orchestratorTries: ORCHESTRATOR_TRIES,
    callTimeoutMs: (flags.timeout ?? config.MODEL_RUNNER_TIMEOUT_SECONDS) * 1_000,
    ...limitsOf(flags, config),
    orchestrator: flags.orchestrator ?? "ws",
    logger: pino({ level: config.LOG_LEVEL, base: { role: "client" } }, pino.destination(process.stderr.fd)),
  };
}

function limitsOf(flags: ClientFlags, config: Config): Partial<ClientOptions> {
  const given = {
    ...(flags.maxFailures === undefined ? {} : { maxConsecutiveFailures: flags.maxFailures }),
    ...(flags.maxTimeouts === undefined ? {} : { maxConsecutiveTimeouts: flags.maxTimeouts }),
  };
  if (flags.compat) return { compat: "model-runner-client", ...given };
  return {
    maxConsecutiveFailures: config.MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES,
    maxConsecutiveTimeouts: config.MODEL_RUNNER_MAX_CONSECUTIVE_TIMEOUTS,
    ...given,
  };
}

/** One answer a line, in the order of the lines. Resolves at the end of input, at `exit`, or when `signal` is aborted. */
export async function serveLines(
  client: Client,
  input: Readable,
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  const say = (line: object) => output.write(`${writeLine(line)}\n`);
  say({ ready: true });
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  signal.addEventListener("abort", () => lines.close(), { once: true });
  for await (const line of lines) {
    if (line.trim() === "") continue;
    try {
      const command = await readCommand(line);
      if (command.op === "exit") break;
      say(await answer(client, command));
    } catch (error) {
      say({ error: (error as Error).message });
    }
  }
}

async function answer(client: Client, command: Exclude<ClientCommand, { op: "exit" }>): Promise<object> {
  if (command.op === "models") return { models: client.models().map(modelLine) };
  return { results: (await client.call(command)).map(resultLine) };
}

const modelLine = (model: FleetModel): object => ({
  model_id: model.modelId,
  deployment_id: model.deploymentId,
  model_name: model.modelName,
  cruncher_name: model.cruncherName,
  cruncher_id: model.cruncherId,
  state: model.state,
  address: model.address,
  ...(model.sandbox === undefined ? {} : { sandbox: model.sandbox }),
  ...(model.reason === undefined ? {} : { reason: model.reason }),
});
