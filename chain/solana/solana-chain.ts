import type { KeyPairSigner } from "@solana/kit";
import { type Attempt, ChainError, type ChainPort, type FrozenPlan } from "../port.ts";
import { observePlan } from "./observe.ts";
import { type Cluster, freezeEmission, freezePayouts } from "./plan.ts";
import { createRpc, type Rpc } from "./rpc.ts";
import { signPlan } from "./sign.ts";

const TIMEOUT_MS = 10_000;

export interface SolanaOptions {
  rpcUrl: string;
  signer: KeyPairSigner;
  /** deadline of one RPC call */
  timeoutMs?: number;
}

/** The Solana adapter: markers by stock programs, recent blockhashes, one key that signs, pays and is the markers' base. */
export function createSolanaChain({ rpcUrl, signer, timeoutMs = TIMEOUT_MS }: SolanaOptions): ChainPort {
  const rpc = createRpc(rpcUrl, timeoutMs);
  const genesis = once(() => rpc.genesis());
  const cluster = async (): Promise<Cluster> => ({ genesis: await genesis(), base: signer.address });
  const check = async (plan: FrozenPlan) => {
    const found = await genesis();
    if (found !== plan.genesis)
      throw new ChainError(
        "WRONG_GENESIS",
        `The plan belongs to the cluster ${plan.genesis}, SOLANA_RPC_URL leads to ${found}.`,
      );
  };
  return {
    genesis,
    freeze: async (plan) => freezeEmission(await cluster(), plan),
    freezePayouts: async (plan) => freezePayouts(await cluster(), plan),
    async observe(plan, last) {
      await check(plan);
      return observePlan(rpc, plan, last);
    },
    async sign(plan, n) {
      await check(plan);
      return signPlan(rpc, signer, plan, n);
    },
    broadcast: (attempt: Attempt) => rpc.send(attempt.wire),
  };
}

/** Keeps the first answer; an error is asked again. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= ask().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

/** Fills the wallet from a local chain's faucet when less than `lowLamports` is left. Returns what was added. */
export async function topUp(
  rpc: Pick<Rpc, "balance" | "airdrop">,
  wallet: string,
  lowLamports: bigint,
  fillLamports: bigint,
): Promise<bigint> {
  if ((await rpc.balance(wallet)) >= lowLamports) return 0n;
  await rpc.airdrop(wallet, fillLamports);
  return fillLamports;
}
