import { type Command, Option } from "commander";
import { instant } from "./round-flags.ts";

/** Flags of `almanac rescore …`, as far as a command has them. */
export interface RescoreFlags {
  readonly from?: string;
  readonly to?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly wait?: boolean;
  readonly node?: string;
  readonly json?: boolean;
}

const STATUSES = ["pending", "running", "ready", "adopted", "failed", "cancelled"];
const NODE = ["--node <url>", "the node's API (default: the one of this machine)"] as const;
const JSON_FLAG = ["--json", "print JSON"] as const;

/** `almanac rescore start|list|show|adopt|cancel`. */
export function addRescoreCommands(program: Command): void {
  const rescore = program
    .command("rescore")
    .description("score past rounds by the present scorer, look at the difference, and let the new scores count");
  const load = () => import("./rescore.ts");
  rescore
    .command("start")
    .description("begin a job; its scores stand beside those that count")
    .requiredOption("--from <time>", "first due time, ISO 8601 (UTC where it names no zone)", instant)
    .option("--to <time>", "end of the range, not included (default: now)", instant)
    .option("--wait", "stay until it is ready; exit code 1 where it failed")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (flags: RescoreFlags) => (await load()).startRescoreCommand(flags));
  rescore
    .command("list")
    .description("jobs, newest first")
    .addOption(new Option("--status <status>", "only these").choices(STATUSES))
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (flags: RescoreFlags) => (await load()).listRescoresCommand(flags));
  rescore
    .command("show")
    .description("one job, and how ranks and means would change")
    .argument("<id>", "id of the job")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (id: string, flags: RescoreFlags) => (await load()).showRescoreCommand(id, flags));
  for (const [verb, description] of [
    ["adopt", "let the new scores count, but for those that a checkpoint has sealed"],
    ["cancel", "end a job; the scores that count stay as they are"],
  ] as const)
    rescore
      .command(verb)
      .description(description)
      .argument("<id>", "id of the job")
      .requiredOption("--reason <text>", "why, for the audit log")
      .option(...NODE)
      .option(...JSON_FLAG)
      .action(async (id: string, flags: RescoreFlags) => (await load()).tellRescoreCommand(id, verb, flags));
}
