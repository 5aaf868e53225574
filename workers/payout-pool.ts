import type { Pool } from "../activities/payout.ts";
import { localMint } from "../chain/solana/local-token.ts";
import { type Config, ConfigError } from "../config.ts";

const LOCAL = "LOCAL";

/** What one checkpoint pays out. Throws ConfigError where the settings name no unit, or a local token on another network. */
export async function poolOf(config: Config): Promise<Pool> {
  const { PAYOUT_MINT: mint, PAYOUT_POOL_UNITS: units, PAYOUT_POOL_LAMPORTS: lamports, NETWORK } = config;
  if (mint === undefined) {
    if (units !== undefined)
      throw new ConfigError(["PAYOUT_POOL_UNITS: of which token? Set PAYOUT_MINT, or PAYOUT_POOL_LAMPORTS to pay SOL"]);
    return { mint: null, units: lamports };
  }
  if (units === undefined)
    throw new ConfigError([
      "PAYOUT_POOL_UNITS: not set; say how many of the smallest units of PAYOUT_MINT a checkpoint pays (1 USDC is 1000000)",
    ]);
  if (mint !== LOCAL) return { mint, units };
  if (NETWORK !== "LOCAL") throw new ConfigError([`PAYOUT_MINT=LOCAL: NETWORK is ${NETWORK}; name the token's mint`]);
  return { mint: await localMint(), units };
}
