import { ChainError } from "../port.ts";
import { agreeing } from "./agreeing.ts";
import { createRpc, type Rpc } from "./rpc.ts";

export type Network = "LOCAL" | "DEVNET" | "TESTNET" | "MAINNET";

/** Public clusters by the hash of their genesis. */
const PUBLIC: Record<string, Network> = {
  "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "MAINNET",
  EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG: "DEVNET",
};

export interface ClusterOptions {
  rpcUrl: string;
  /** has to agree before anything is done */
  secondRpcUrl?: string | undefined;
  /** what the operator says it is: a well-known cluster of another name is refused */
  network?: Network | undefined;
  /** deadline of one RPC call */
  timeoutMs: number;
}

/** The endpoints of one cluster as one, and its name: asked once, an error is asked again. */
export function openCluster({ rpcUrl, secondRpcUrl, network, timeoutMs }: ClusterOptions) {
  const first = createRpc(rpcUrl, timeoutMs);
  const rpc: Rpc = secondRpcUrl ? agreeing(first, createRpc(secondRpcUrl, timeoutMs)) : first;
  let known: Promise<string> | undefined;
  const genesis = (): Promise<string> => {
    known ??= rpc
      .genesis()
      .then((found) => checkNetwork(found, network))
      .catch((error: unknown) => {
        known = undefined;
        throw error;
      });
    return known;
  };
  return { rpc, genesis };
}

function checkNetwork(genesis: string, network: Network | undefined): string {
  const found = PUBLIC[genesis];
  if (network === undefined || found === undefined || found === network) return genesis;
  throw new ChainError(
    "WRONG_GENESIS",
    `NETWORK is ${network}, and SOLANA_RPC_URL leads to ${found}. Correct one of them.`,
  );
}
