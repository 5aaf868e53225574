import type { Command } from "commander";

/** `almanac chain nonce-create`. */
export function addChainCommands(program: Command): void {
  const chain = program
    .command("chain")
    .description("what the signing key needs on chain")
    .helpCommand("help [command]", "print help of a command");

  chain
    .command("nonce-create")
    .description("make the nonce account of the signing key, or find it; SUBMISSION_LIFETIME=nonce lives by it")
    .option("--json", "for programs")
    .action(async ({ json }: { json?: boolean }) => (await import("./chain.ts")).nonceCreateCommand(json ?? false));
}
