import { type Command, InvalidArgumentError, Option } from "commander";
import { numberFlag } from "./client-flags.ts";

const LEVELS = ["debug", "info", "warning", "error", "critical"];

/** Flags of `almanac runner`: the public runner's, under its names and those of its environment variables. */
export interface RunnerFlags {
  readonly address?: string;
  readonly grpcAddress?: string;
  readonly codeDirectory?: string;
  readonly resourceDirectory?: string;
  readonly mainFile?: string;
  readonly hasGpu?: boolean;
  readonly logLevel?: string;
  readonly maxSendMessageLength?: number;
  readonly grpcMaxSendMessageLength?: number;
  readonly maxReceiveMessageLength?: number;
  readonly grpcMaxReceiveMessageLength?: number;
  readonly packages?: string[];
}

/** A flag's truth, in the words that public runners take. @throws InvalidArgumentError */
function truth(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (["true", "t", "yes", "y", "on", "1"].includes(word)) return true;
  if (["false", "f", "no", "n", "off", "0"].includes(word)) return false;
  throw new InvalidArgumentError("It must be true or false.");
}

const level = (text: string): string => {
  const word = text.toLowerCase();
  if (LEVELS.includes(word)) return word;
  throw new InvalidArgumentError(`It must be one of ${LEVELS.join(", ")}.`);
};

const bytes = numberFlag(-1, true);
/** Another spelling of a flag; help shows the first alone. */
const alias = (flags: string, parse?: (text: string) => unknown): Option => {
  const option = new Option(flags).hideHelp();
  return parse ? option.argParser(parse) : option;
};

export function addRunnerFlags(command: Command): Command {
  return command
    .option("--address <address>", "where it listens: host:port or unix:path (GRPC_ADDRESS)")
    .addOption(alias("--grpc-address <address>"))
    .option("--code-directory <folder>", "the submission (CODE_DIRECTORY)")
    .option("--resource-directory <folder>", "the model's resources, read-only (RESOURCE_DIRECTORY)")
    .option("--main-file <file>", "the file that is looked at first for the model's class (MAIN_FILE)")
    .option("--has-gpu <boolean>", "told to the model (HAS_GPU)", truth)
    .option("--log-level <level>", `${LEVELS.join(", ")} (LOG_LEVEL)`, level)
    .option("--max-send-message-length <bytes>", "of one message (GRPC_MAX_SEND_MESSAGE_LENGTH)", bytes)
    .addOption(alias("--grpc-max-send-message-length <bytes>", bytes))
    .option("--max-receive-message-length <bytes>", "of one message (GRPC_MAX_RECEIVE_MESSAGE_LENGTH)", bytes)
    .addOption(alias("--grpc-max-receive-message-length <bytes>", bytes))
    .option("--packages <folder...>", "folders with the competition's packages, beside those of PYTHON's own");
}
