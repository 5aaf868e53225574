import { setTimeout as sleep } from "node:timers/promises";
import { openCluster } from "../chain/solana/cluster.ts";
import { createNonceAccount } from "../chain/solana/nonce-account.ts";
import { readConfig } from "../config.ts";
import { openSigner, requireRpc } from "../workers/chain.ts";

const LOOK_AGAIN_MS = 1_000;
const RPC_TIMEOUT_MS = 10_000;

/** `almanac chain nonce-create`: costs the rent of 80 bytes and one fee, paid by the signing key; run again it finds the account. */
export async function nonceCreateCommand(json: boolean): Promise<void> {
  const config = readConfig();
  const [rpcUrl, signer] = [requireRpc(config), await openSigner(config)];
  const { rpc, genesis } = openCluster({ rpcUrl, network: config.NETWORK, timeoutMs: RPC_TIMEOUT_MS });
  await genesis(); // a cluster of another name than NETWORK is refused before anything is signed
  const { address, existed } = await createNonceAccount(rpc, signer, () => sleep(LOOK_AGAIN_MS));
  const text = [
    existed ? `${address} is there.` : `${address} is made.`,
    `Set SUBMISSION_LIFETIME=nonce and SOLANA_NONCE_ACCOUNT=${address}.`,
  ];
  process.stdout.write(json ? `${JSON.stringify({ address, existed })}\n` : `${text.join("\n")}\n`);
}
