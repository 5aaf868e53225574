import { type Command, InvalidArgumentError, Option } from "commander";
import type { InitFlags, RotateFlags } from "./cert.ts";

export const ROLES = ["coordinator", "runner"] as const;
export type Role = (typeof ROLES)[number];
const MAX_DAYS = 3_660;

function days(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_DAYS)
    throw new InvalidArgumentError(`A whole number of days from 1 to ${MAX_DAYS} is expected.`);
  return value;
}
function modelId(text: string, before: string[]): string[] {
  if (!/^[A-Za-z0-9_.-]{1,200}$/.test(text))
    throw new InvalidArgumentError(
      "A model's id becomes part of a host name: letters, digits, dots, dashes, underscores.",
    );
  return [...before, text];
}
const collect = (text: string, before: string[]): string[] => [...before, text];

const leafOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--model-id <id>", "a model that the runner serves; may be repeated")
        .argParser(modelId)
        .default([], "any of letters, digits and dashes"),
    )
    .addOption(
      new Option("--host <name>", "another host name or IPv4 address of the runner; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .option("--wallet <file>", "key file of the wallet that vouches for the models (Solana's format, mode 0600)")
    .option("--hotkey <key>", "hotkey that the orchestrator names for these models")
    .option("--coordinator-wallet <file>", "key file of the wallet that vouches for the coordinator")
    .option("--coordinator-hotkey <key>", "the coordinator's hotkey")
    .option("--ca <folder>", "folder of ca.crt and ca.key (default: ca, beside the roles)")
    .option("--days <days>", "validity of certificate and wallet's word", days, 90);

/** `almanac cert init | show | rotate`. */
export function addCertCommands(program: Command): void {
  const cert = program
    .command("cert")
    .description("certificates of the secure model protocol")
    .helpCommand("help [command]", "print help of a command");

  leafOptions(cert.command("init"))
    .description("make an authority, a certificate per role and the wallets' words for them")
    .argument("[folder]", "where they go (default: certificates, in ALMANAC_DIR)")
    .addOption(new Option("--role <role>", "only this one").choices(ROLES))
    .option("--ca-days <days>", "validity of the authority", days, 1_826)
    .option("--force", "overwrite what is there")
    .action(async (folder: string | undefined, flags: InitFlags) =>
      (await import("./cert.ts")).initCommand(folder, flags),
    );

  cert
    .command("show")
    .description("print hashes, fingerprints, validity and wallets; never keys")
    .argument("[folder]", "where they are (default: certificates, in ALMANAC_DIR)")
    .option("--json", "for programs")
    .action(async (folder: string | undefined, { json }: { json?: boolean }) =>
      (await import("./cert.ts")).showCommand(folder, json ?? false),
    );

  leafOptions(cert.command("rotate"))
    .description("put a new key into the slot that is not in force, then swap")
    .argument("[folder]", "where they are (default: certificates, in ALMANAC_DIR)")
    .addOption(new Option("--role <role>", "whose").choices(ROLES).makeOptionMandatory())
    .addOption(new Option("--stage", "do not swap yet: the new hash is registered first").conflicts("activate"))
    .option("--activate", "only swap to what was staged")
    .option("--force", "swap although a model loses its wallet's word")
    .action(async (folder: string | undefined, flags: RotateFlags) =>
      (await import("./cert.ts")).rotateCommand(folder, flags),
    );
}
