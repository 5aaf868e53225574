import type { Command } from "commander";

/** Flags of `almanac dead-letter …`, as far as a command has them. */
export interface DeadLetterFlags {
  readonly status?: string;
  readonly model?: string;
  readonly reason?: string;
  readonly all?: boolean;
  readonly node?: string;
  readonly json?: boolean;
}

const NODE = ["--node <url>", "the node's API (default: the one of this machine)"] as const;
const JSON_FLAG = ["--json", "print JSON"] as const;

/** `almanac dead-letter list|retry|excuse`. */
export function addDeadLetterCommands(program: Command): void {
  const letters = program
    .command("dead-letter")
    .description("predictions that the scorer refused however often it was asked");
  letters
    .command("list")
    .description("newest first")
    .option("--status <status>", "OPEN, RETRYING, RETRIED or EXCUSED (default: all)")
    .option("--model <id>", "only of this model")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (flags: DeadLetterFlags) => (await import("./dead-letter.ts")).listLettersCommand(flags));
  letters
    .command("retry")
    .description("ask the present scorer again; what it says is a correction of the next scoring window")
    .argument("[ids...]", "numbers of dead letters")
    .option("--all", "every OPEN one")
    .option("--reason <text>", "why, for the audit log")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (ids: string[], flags: DeadLetterFlags) =>
      (await import("./dead-letter.ts")).retryLettersCommand(ids, flags),
    );
  letters
    .command("excuse")
    .description("leave a prediction out, so that it does not count against its model")
    .argument("<ids...>", "numbers of dead letters")
    .requiredOption("--reason <text>", "why; participants read it")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (ids: string[], flags: DeadLetterFlags) =>
      (await import("./dead-letter.ts")).excuseLettersCommand(ids, flags),
    );
}
