import { type Command, InvalidArgumentError, Option } from "commander";
import { instant } from "./round-flags.ts";

/** Flags of `almanac backfill …`, as far as a command has them. */
export interface BackfillFlags {
  readonly from?: string;
  readonly to?: string;
  readonly status?: string;
  readonly wait?: boolean;
  readonly node?: string;
  readonly json?: boolean;
}

const STATUSES = ["pending", "running", "paused", "completed", "failed", "cancelled"];
const NODE = ["--node <url>", "the node's API (default: the one of this machine)"] as const;
const JSON_FLAG = ["--json", "print JSON"] as const;

const stream = (text: string): string => {
  if (/^[^/\s]+(\/[^/\s]+){3}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be source/subject/kind/granularity, such as binance/BTCUSDT/candle/1m.");
};

/** `almanac backfill start|list|show|pause|resume|cancel`. */
export function addBackfillCommands(program: Command): void {
  const backfill = program
    .command("backfill")
    .description("fetch the history of a stream into the database and day files");
  const load = () => import("./backfill.ts");
  backfill
    .command("start")
    .description("begin a job; one at a time for each stream")
    .argument("<stream>", "source/subject/kind/granularity, such as binance/BTCUSDT/candle/1m", stream)
    .requiredOption("--from <time>", "where it begins, ISO 8601 (UTC where it names no zone)", instant)
    .option("--to <time>", "where it ends, not included (default: now)", instant)
    .option("--wait", "stay until it has ended; exit code 1 where it failed")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (of: string, flags: BackfillFlags) => (await load()).startBackfillCommand(of, flags));
  backfill
    .command("list")
    .description("jobs, newest first")
    .addOption(new Option("--status <status>", "only these").choices(STATUSES))
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (flags: BackfillFlags) => (await load()).listBackfillsCommand(flags));
  backfill
    .command("show")
    .description("one job and how far it is")
    .argument("<id>", "id of the job")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (id: string, flags: BackfillFlags) => (await load()).showBackfillCommand(id, flags));
  for (const [command, description] of [
    ["pause", "stop asking; what was stored stays"],
    ["resume", "go on from where it stopped; a failed job too"],
    ["cancel", "end it; what was stored stays"],
  ] as const)
    backfill
      .command(command)
      .description(description)
      .argument("<id>", "id of the job")
      .option(...NODE)
      .option(...JSON_FLAG)
      .action(async (id: string, flags: BackfillFlags) => (await load()).tellBackfillCommand(id, command, flags));
}
