import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { ConfigError } from "../config.ts";
import { parseRoles, ROLES } from "./roles.ts";

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
    return error instanceof ConfigError ? USAGE : FAILED;
  }
}

if (import.meta.main) process.exitCode = await runCommand(process.argv.slice(2));
