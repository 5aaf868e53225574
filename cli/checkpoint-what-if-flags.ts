import { type Command, InvalidArgumentError, Option } from "commander";
import { instant } from "./round-flags.ts";

/** Flags of `almanac checkpoint what-if`. */
export interface WhatIfFlags {
  readonly strategy?: "tier" | "contribution_weighted";
  readonly tiers?: number[];
  readonly weights?: { rank: number; contribution: number; diversity: number };
  readonly minPercent?: number;
  readonly exclude?: string[];
  readonly from?: string;
  readonly to?: string;
  readonly node?: string;
  readonly json?: boolean;
}

/** `almanac checkpoint what-if`, beside the other commands of checkpoints. */
export function addWhatIfCommand(checkpoint: Command): void {
  checkpoint
    .command("what-if")
    .description("who would gain what by other tiers, weights, models or a part of the period; stores nothing")
    .argument("<id>", "id of a checkpoint; latest; or open: the time that is not sealed yet")
    .addOption(new Option("--strategy <name>", "how shares are made").choices(["tier", "contribution_weighted"]))
    .option("--tiers <percents>", "percent of each place, as in 50,30,20", numbers)
    .option("--weights <parts>", "rank, contribution and diversity, as in 0.5,0.3,0.2", weights)
    .option("--min-percent <percent>", "percent of all that each is raised to at least", one)
    .option("--exclude <names>", "models or crunchers left out, by id or name; comma separated, or repeated", names)
    .option("--from <time>", "only scoring windows that end after this, ISO 8601 (UTC where it names no zone)", instant)
    .option("--to <time>", "and not after this", instant)
    .option("--node <url>", "the node's API (default: the one of this machine)")
    .option("--json", "print JSON")
    .action(async (id: string, flags: WhatIfFlags) =>
      (await import("./checkpoint-what-if.ts")).whatIfCommand(id, flags),
    );
}

function one(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("write a number from 0.");
  return value;
}
const numbers = (text: string): number[] => text.split(",").map(one);
function weights(text: string): NonNullable<WhatIfFlags["weights"]> {
  const [rank, contribution, diversity, ...more] = numbers(text);
  if (rank === undefined || contribution === undefined || diversity === undefined || more.length > 0)
    throw new InvalidArgumentError("write three numbers: rank, contribution and diversity.");
  return { rank, contribution, diversity };
}
const names = (text: string, before: string[] = []): string[] => [
  ...before,
  ...text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean),
];
