import { type Command, InvalidArgumentError, Option } from "commander";
import { addWhatIfCommand } from "./checkpoint-what-if-flags.ts";

/** Flags of `almanac checkpoint …`, as far as a command has them. */
export interface CheckpointFlags {
  readonly status?: string;
  readonly limit?: string;
  readonly reason?: string;
  readonly key?: string;
  readonly valid?: number;
  readonly idempotencyKey?: string;
  readonly yes?: boolean;
  readonly confirm?: string;
  readonly dryRun?: boolean;
  readonly node?: string;
  readonly json?: boolean;
}

const NODE = ["--node <url>", "the node's API (default: the one of this machine)"] as const;
const JSON_FLAG = ["--json", "print JSON"] as const;
const KEY = ["--key <file>", "the approver's key file, mode 0600; needed on any network but LOCAL"] as const;
const ID = ["<id>", "id of the checkpoint, or latest"] as const;
const STATUSES = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID", "VOID"];
const ACTIONS = ["approve", "retry", "retryBlocked", "void"];
const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function span(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError("a number and s, m, h or d, such as 10m");
  return Number(digits) * UNIT_MS[unit!]!;
}

/** `almanac checkpoint list|show|approve|retry|void|sign`. */
export function addCheckpointCommands(program: Command): void {
  const group = program.command("checkpoint").description("look at checkpoints, and decide about them");
  const load = () => import("./checkpoint.ts");
  group
    .command("list")
    .description("newest first")
    .addOption(new Option("--status <status>", "only these").choices(STATUSES))
    .option("--limit <count>", "how many", "20")
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (flags: CheckpointFlags) => (await load()).listCheckpointsCommand(flags));
  group
    .command("show")
    .description("one checkpoint: shares, approvals and every step it took")
    .argument(...ID)
    .option(...NODE)
    .option(...JSON_FLAG)
    .action(async (id: string, flags: CheckpointFlags) => (await load()).showCheckpointCommand(id, flags));
  addDecisions(group);
  addWhatIfCommand(group);
}

function addDecisions(group: Command): void {
  for (const [verb, description] of [
    ["approve", "let it be submitted and paid"],
    ["retry", "try again what failed or was blocked"],
    ["void", "end it before it is submitted: nobody is paid by it"],
  ] as const) {
    const command = group
      .command(verb)
      .description(description)
      .argument(...ID);
    if (verb === "void") command.requiredOption("--reason <text>", "why; everybody reads it");
    else command.option("--reason <text>", "why; everybody reads it");
    command
      .option(...KEY)
      .option("--idempotency-key <key>", "the same key again gets the first answer (default: a new one, printed)")
      .option("--yes", "do not ask; with --confirm <id> where money moves")
      .option("--confirm <id>", "the checkpoint's id, typed: needed with --yes on any network but LOCAL")
      .option("--dry-run", "only print what would be done")
      .option(...NODE)
      .option(...JSON_FLAG)
      .action(async (id: string, flags: CheckpointFlags) =>
        (await import("./checkpoint-decide.ts")).decideCommand(id, verb, flags),
      );
  }
  group
    .command("sign")
    .description("print a signed decision: the argument of the update in the Temporal UI")
    .argument(...ID)
    .addArgument(group.createArgument("<action>", "what is decided").choices(ACTIONS))
    .requiredOption(...KEY)
    .option("--reason <text>", "why; void wants one")
    .option("--valid <span>", "how long it may be used: 30s, 10m, 24h, at most 7d", span, span("10m"))
    .option("--idempotency-key <key>", "it counts once under this key (default: a new one)")
    .option(...NODE)
    .action(async (id: string, action: string, flags: CheckpointFlags) =>
      (await import("./checkpoint-decide.ts")).signCommand(id, action, flags),
    );
}
