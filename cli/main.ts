import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { ConfigError } from "../config.ts";
import { addBackfillCommands } from "./backfill-flags.ts";
import { addCertCommands } from "./cert-flags.ts";
import { addChainCommands } from "./chain-flags.ts";
import { addCheckpointCommands } from "./checkpoint-flags.ts";
import type { ClientFlags } from "./client.ts";
import { CLIENT_HELP, numberFlag } from "./client-flags.ts";
import { addDeadLetterCommands } from "./dead-letter-flags.ts";
import { ExitError } from "./exit.ts";
import { addModelCommands } from "./model-flags.ts";
import { addRescoreCommands } from "./rescore-flags.ts";
import type { RetentionFlags } from "./retention.ts";
import { parseRoles, ROLES } from "./roles.ts";
import { addRoundCommands } from "./round-flags.ts";
import { addRunnerFlags, type RunnerFlags } from "./runner-flags.ts";
import { addVerifyCommands } from "./verify-flags.ts";

const USAGE = 2;
const FAILED = 1;

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
  version: string;
};

/** The `almanac` command. Every action loads its code when it runs, so that help is instant. */
function createProgram(): Command {
  const program = new Command("almanac")
    .description("A durable coordinator node for real-time prediction competitions.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .showSuggestionAfterError()
    .exitOverride();

  program
    .command("dev")
    .description("run everything on this machine, in the foreground (as `npm start` does)")
    .action(async () => void (await import("../local/start.ts")));

  program
    .command("start")
    .description("run roles in this process, with the services that the settings name")
    .argument("[roles]", `comma separated: ${ROLES.join(", ")}`, parseRoles, [...ROLES])
    .action(async (roles: string[]) => (await import("./start.ts")).start(roles));

  program
    .command("migrate")
    .description("bring the database's schema up to date")
    .action(async () => (await import("./migrate.ts")).migrateCommand());

  program
    .command("competition")
    .description("look at the competition that a node would run")
    .command("check")
    .description("check a contract and try its callables on sample values; exit code 2: it would be refused")
    .argument("[path]", "module that exports it; absent: COMPETITION")
    .action(async (path?: string) => (await import("./competition.ts")).checkCompetitionCommand(path));

  program
    .command("client")
    .description("call the models of an orchestrator, by lines of JSON")
    .option("--host <host>", "host of the orchestrator")
    .option("--port <port>", "its port", numberFlag(1, true))
    .option("--crunch-id <id>", "name of the competition")
    .option("--base-class <name>", "dotted name of the class that models extend")
    .option("--timeout <seconds>", "deadline of a call", numberFlag(0.001, false))
    .option("--max-failures <count>", "failures in a row that disconnect a model; 0: never", numberFlag(0, true))
    .option("--max-timeouts <count>", "timeouts in a row that disconnect a model; 0: never", numberFlag(0, true))
    .addOption(new Option("--orchestrator <kind>", "how it is followed").choices(["ws", "grpc"]).default("ws"))
    .option("--compat", "judge models as the public client does: limits 3 and 3, exceeded, skips counted", false)
    .addHelpText("after", CLIENT_HELP)
    .action(async (flags: ClientFlags) => (await import("./client.ts")).clientCommand(flags));

  addRunnerFlags(
    program.command("runner").description("serve one model over gRPC, as the public model runner does"),
  ).action(async (flags: RunnerFlags) => (await import("./runner.ts")).runnerCommand(flags));

  addModelCommands(program);
  addRoundCommands(program);
  addDeadLetterCommands(program);
  addBackfillCommands(program);
  addRescoreCommands(program);
  addCertCommands(program);
  addVerifyCommands(program);
  addCheckpointCommands(program);
  addChainCommands(program);
  program
    .command("retention")
    .description("let go of what is older than its time to live and needed by nothing, as the node does every hour")
    .option("--dry-run", "only list what would go, and what stays and why")
    .option("--json", "print JSON")
    .action(async (flags: RetentionFlags) => (await import("./retention.ts")).retentionCommand(flags));
  return program;
}

/** Runs the command line; gives back the exit code (2: wrong usage or settings). */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...args], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE; // commander has said why
    console.error(error instanceof Error ? error.message : String(error));
    if (error instanceof ExitError) return error.exitCode;
    return error instanceof ConfigError ? USAGE : FAILED;
  }
}

// The launcher is the main module where it starts this one.
if (import.meta.main || process.argv[1] === import.meta.filename)
  process.exitCode = await runCommand(process.argv.slice(2));
