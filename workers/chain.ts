import { readKeyFile } from "../chain/key.ts";
import type { ChainPort } from "../chain/port.ts";
import type { Signer } from "../chain/signer.ts";
import { commandSigner } from "../chain/signer-command.ts";
import { fillLocalToken, localMint } from "../chain/solana/local-token.ts";
import { createRpc } from "../chain/solana/rpc.ts";
import { createSolanaChain, topUp } from "../chain/solana/solana-chain.ts";
import { type Config, ConfigError } from "../config.ts";

const RPC_TIMEOUT_MS = 10_000;
/** Of a local faucet: enough for many checkpoints of the standard pool. */
const FILL_LAMPORTS = 100_000_000_000n;
/** Markers, fees and the payouts of one checkpoint have to fit. */
const SPARE_LAMPORTS = 1_000_000_000n;

export interface OpenedChain {
  chain: ChainPort;
  signer: Signer;
  /** fills the submitter's wallet where the chain has a faucet (LOCAL) */
  fund?: () => Promise<void>;
}

/** The chain that the settings name, and who signs on it. `pool`: what a local faucet has to cover. Throws ConfigError. */
export async function openChain(config: Config, pool: { mint: string | null; units: bigint }): Promise<OpenedChain> {
  const rpcUrl = requireRpc(config);
  const signer = await openSigner(config);
  const chain = createSolanaChain({
    ...{ rpcUrl, secondRpcUrl: config.SOLANA_RPC_URL_2, network: config.NETWORK, signer, timeoutMs: RPC_TIMEOUT_MS },
    ...{ nonceAccount: nonceAccountOf(config), maxUnitPrice: config.PRIORITY_FEE_MAX_MICRO_LAMPORTS },
  });
  if (config.NETWORK !== "LOCAL") return { chain, signer };
  const rpc = createRpc(rpcUrl, RPC_TIMEOUT_MS);
  const fill = FILL_LAMPORTS + config.PAYOUT_POOL_LAMPORTS;
  const fund = async () => {
    await topUp(rpc, signer.address, config.PAYOUT_POOL_LAMPORTS + SPARE_LAMPORTS, fill);
    if (pool.mint !== null && pool.mint === (await localMint())) await fillLocalToken(rpc, signer.address, pool.units);
  };
  return { chain, signer, fund };
}

/** Throws ConfigError where no endpoint is named. */
export function requireRpc({ SOLANA_RPC_URL }: Config): string {
  if (SOLANA_RPC_URL) return SOLANA_RPC_URL;
  throw new ConfigError(["SOLANA_RPC_URL: not set; `npm start` runs a local chain, a checkpoint role needs one named"]);
}

/** Who signs submissions and notes: a key file, or a program that holds the key. Throws ConfigError where it is not one of them. */
export async function openSigner(config: Config): Promise<Signer> {
  const { SIGNER_COMMAND: argv, SIGNER_ADDRESS: address, SOLANA_KEYPAIR_PATH: keyPath } = config;
  if (argv && keyPath) throw new ConfigError(["SIGNER_COMMAND and SOLANA_KEYPAIR_PATH are both set: keep one"]);
  if (argv && !address) throw new ConfigError(["SIGNER_ADDRESS: not set; SIGNER_COMMAND signs as that address"]);
  if (argv && address) return commandSigner({ argv, address, timeoutMs: config.SIGNER_TIMEOUT_SECONDS * 1_000 });
  if (!keyPath)
    throw new ConfigError(["SOLANA_KEYPAIR_PATH: not set; name the key file that signs submissions (mode 0600)"]);
  return readKeyFile(keyPath);
}

function nonceAccountOf({ SUBMISSION_LIFETIME, SOLANA_NONCE_ACCOUNT }: Config): string | undefined {
  if (SUBMISSION_LIFETIME !== "nonce") return undefined;
  if (SOLANA_NONCE_ACCOUNT) return SOLANA_NONCE_ACCOUNT;
  throw new ConfigError([
    "SOLANA_NONCE_ACCOUNT: not set, and SUBMISSION_LIFETIME is nonce; `almanac chain nonce-create` makes one",
  ]);
}
