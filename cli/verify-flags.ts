import type { Command } from "commander";

/** Flags of `almanac verify`. */
export interface VerifyFlags {
  readonly checkpoint: string;
  readonly offline?: boolean;
  readonly rpc?: string;
  readonly contract?: string;
  readonly key?: string;
  readonly state?: string;
  readonly json?: boolean;
}

const HELP = `
Takes a bundle (a file, or one that a node gives) apart and computes everything in it again: scores, snapshots, the tree up to its root, the ranking, the
emission, the log and its signature; then looks on the chain for what was submitted. Stops at the first difference.
Scores are computed by this clone's own copy of the contract, or by --contract; code from a bundle is never run.
Exit code 0: all is as it says; 6: the first difference; 2: usage; 4: no such checkpoint or file; 7: node or chain cannot be reached.`;

export function addVerifyCommands(program: Command): void {
  program
    .command("verify")
    .description("check a checkpoint's evidence, trusting nobody")
    .argument("<url|bundle>", "a node's address, or the file of a bundle")
    .option("--checkpoint <id>", "which one of a node's", "latest")
    .option("--offline", "do not look at the chain")
    .option("--rpc <url>", "endpoint of the chain (default: SOLANA_RPC_URL)")
    .option("--contract <path>", "module of the competition that scores are computed with")
    .option("--key <address>", "the submitter that the crunch has published; another one is a difference")
    .option("--state <file>", "where the last seen log heads are kept (default: ~/.almanac/log-heads.json)")
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (target: string, flags: VerifyFlags) => (await import("./verify.ts")).verifyCommand(target, flags));

  program
    .command("export")
    .description("take what a node has into a file")
    .command("checkpoint")
    .description("a checkpoint's evidence bundle, for `almanac verify`")
    .argument("<id>", "id of the checkpoint, or latest")
    .option("-o, --output <file>", "where to (default: its own name, here)")
    .option("--node <url>", "the node's API (default: the one of this machine)")
    .action(async (id: string, flags: { output?: string; node?: string }) =>
      (await import("./export.ts")).exportCheckpointCommand(id, flags),
    );
}
