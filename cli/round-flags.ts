import { type Command, InvalidArgumentError } from "commander";

/** Flags of `almanac round …`, as far as a command has them. */
export interface RoundFlags {
  readonly to: string;
  readonly from: string;
  readonly reason: string;
  readonly scope?: string;
  readonly node?: string;
  readonly json?: boolean;
}

/** A time on the command line. */
export const instant = (text: string): string => {
  if (/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text)) return text.replace(" ", "T");
  throw new InvalidArgumentError("It must be an ISO 8601 time, such as 2026-11-21T08:00:00Z.");
};

/** `almanac round void|replay`. */
export function addRoundCommands(program: Command): void {
  const round = program.command("round").description("act on prediction rounds");
  round
    .command("void")
    .description(
      "void every round of a span of due times as one block; what was counted is taken back by the next window",
    )
    .requiredOption("--from <time>", "first due time, ISO 8601 (UTC where it names no zone)", instant)
    .requiredOption("--to <time>", "end of the span, not included", instant)
    .requiredOption("--reason <text>", "why; participants read it")
    .option("--scope <key>", "only this scope (default: all)")
    .option("--node <url>", "the node's API (default: the one of this machine)")
    .option("--json", "print JSON")
    .action(async (flags: RoundFlags) => (await import("./round.ts")).voidCommand(flags));
  round
    .command("replay")
    .description("make a round again from what is stored and compare; exit code 1: something differs")
    .argument("<id>", "id of the round, such as round/<competition>/<scope key>/<due ms>")
    .option("--json", "print JSON")
    .action(async (id: string, flags: { json?: boolean }) =>
      (await import("./round-replay.ts")).replayRoundCommand(id, flags),
    );
}
