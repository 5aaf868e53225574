import { statSync } from "node:fs";
import { type Logger, pino } from "pino";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { parseAddress } from "../models/runner/address.ts";
import { startStandalone } from "../models/runner/standalone.ts";
import { serverSecurityOf } from "../models/secure/from-settings.ts";
import type { RunnerFlags } from "./runner-flags.ts";

const PINO_LEVELS: Record<string, string> = { warning: "warn", critical: "fatal" };

/** `almanac runner`: serves one model until a signal comes, then answers what runs and ends. */
export async function runnerCommand(flags: RunnerFlags): Promise<void> {
  process.umask(0o022); // the model reads copies that we make
  const config = readConfig();
  const level = flags.logLevel ?? config.LOG_LEVEL;
  const log = pino(
    { level: PINO_LEVELS[level] ?? level, base: { role: "runner", pid: process.pid } },
    pino.destination(2),
  );
  const model = pino({ level: "info", base: { role: "model", pid: process.pid } }, pino.destination(2));
  const signalled = new Promise<string>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
  const security = await securityOf(config, log);
  const runner = await startStandalone({
    ...placesOf(
      flags.address ?? flags.grpcAddress ?? config.GRPC_ADDRESS,
      flags.codeDirectory ?? config.CODE_DIRECTORY,
    ),
    packages: flags.packages ?? [],
    resourceDirectory: flags.resourceDirectory ?? config.RESOURCE_DIRECTORY,
    mainFile: flags.mainFile ?? config.MAIN_FILE,
    hasGpu: flags.hasGpu ?? config.HAS_GPU,
    maxMessage: {
      send: flags.maxSendMessageLength ?? flags.grpcMaxSendMessageLength ?? config.GRPC_MAX_SEND_MESSAGE_LENGTH,
      receive:
        flags.maxReceiveMessageLength ?? flags.grpcMaxReceiveMessageLength ?? config.GRPC_MAX_RECEIVE_MESSAGE_LENGTH,
    },
    security: security?.forModel(config.RUNNER_MODEL_ID ?? ""),
    sandbox: config.SANDBOX,
    python: config.PYTHON,
    logger: log,
    onModelLine: (line) => model.info(line),
  });
  const signal = await signalled;
  log.info({ signal }, "runner drains");
  await runner.drain();
  security?.close();
  log.info("runner ended");
}

/** @throws ConfigError where a proof is wanted and nobody says for which model */
function securityOf(config: Config, log: Logger) {
  if (config.RUNNER_SECURITY !== "none" && config.RUNNER_MODEL_ID === undefined)
    throw new ConfigError([
      `RUNNER_SECURITY=${config.RUNNER_SECURITY} needs RUNNER_MODEL_ID, the model that is served`,
    ]);
  return serverSecurityOf(config, log);
}

/** @throws ConfigError naming both mistakes */
function placesOf(address: string, codeDirectory: string): { address: string; codeDirectory: string } {
  const problems: string[] = [];
  try {
    parseAddress(address);
  } catch (error) {
    problems.push(`--address (GRPC_ADDRESS): ${(error as Error).message}`);
  }
  if (!statSync(codeDirectory, { throwIfNoEntry: false })?.isDirectory())
    problems.push(`--code-directory (CODE_DIRECTORY): ${codeDirectory} is no folder`);
  if (problems.length > 0) throw new ConfigError(problems);
  return { address, codeDirectory };
}
