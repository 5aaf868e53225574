import { isAddress } from "@solana/kit";
import type { CheckpointDeps } from "../activities/checkpoint.ts";
import { localRegistry, noRecipients, type Recipients, recipientsFile } from "../chain/recipients.ts";
import { recipientsIndex } from "../chain/recipients-index.ts";
import { type Config, ConfigError } from "../config.ts";
import type { RoleContext } from "./context.ts";

/** What a period is sealed by. Throws ConfigError. */
export const sealDeps = (
  { config, competition }: Pick<RoleContext, "config" | "competition">,
  crunch: string,
): Pick<CheckpointDeps, "seal" | "recipients" | "publicUrl"> => ({
  recipients: recipientsFor(config),
  publicUrl: config.PUBLIC_URL ?? `http://127.0.0.1:${config.REPORT_API_PORT}`,
  seal: {
    ...{ crunch, contract: competition.competition },
    ...providersOf(config),
  },
});

/** A mistyped wallet would be paid for ever. */
function providersOf(config: Config) {
  const wallets = {
    COMPUTE_PROVIDER_PUBKEY: config.COMPUTE_PROVIDER_PUBKEY,
    DATA_PROVIDER_PUBKEY: config.DATA_PROVIDER_PUBKEY,
  };
  const wrong = Object.entries(wallets).filter(([, wallet]) => wallet !== "" && !isAddress(wallet));
  if (wrong.length > 0)
    throw new ConfigError(wrong.map(([name, wallet]) => `${name}: ${wallet} is no address (base58 of 32 bytes)`));
  return { computeProvider: wallets.COMPUTE_PROVIDER_PUBKEY, dataProvider: wallets.DATA_PROVIDER_PUBKEY };
}

/** An operator's own file wins over the chain's list; without either only a local chain knows whom to pay. */
function recipientsFor({ RECIPIENTS_FILE, CHAIN_INDEX_URL, CRUNCH_PUBKEY, NETWORK }: Config): Recipients {
  if (RECIPIENTS_FILE) return recipientsFile(RECIPIENTS_FILE);
  if (CHAIN_INDEX_URL && CRUNCH_PUBKEY) return recipientsIndex({ url: CHAIN_INDEX_URL, crunch: CRUNCH_PUBKEY });
  if (CHAIN_INDEX_URL)
    throw new ConfigError([
      "CHAIN_INDEX_URL: is asked for the crunch CRUNCH_PUBKEY, which is not set: name its address",
    ]);
  return NETWORK === "LOCAL" ? localRegistry : noRecipients;
}
