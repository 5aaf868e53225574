import { setTimeout as sleep } from "node:timers/promises";
import { type Attempt, ChainError, type ChainPort, type FrozenPlan } from "../port.ts";
import type { Signer } from "../signer.ts";
import { type Network, openCluster } from "./cluster.ts";
import { inspectTransaction } from "./evidence.ts";
import { observePlan } from "./observe.ts";
import { payoutShortfall } from "./payout-funds.ts";
import { freezePayouts } from "./payout-plan.ts";
import { type Cluster, freezeEmission } from "./plan.ts";
import type { Rpc } from "./rpc.ts";
import { signPlan } from "./sign.ts";

const TIMEOUT_MS = 10_000;

export interface SolanaOptions {
  rpcUrl: string;
  /** has to agree before anything is done */
  secondRpcUrl?: string | undefined;
  /** what the operator says it is */
  network?: Network;
  signer: Signer;
  /** transactions live by it; absent: by a recent blockhash */
  nonceAccount?: string | undefined;
  /** most that is paid for priority, micro-lamports a compute unit */
  maxUnitPrice?: bigint;
  /** deadline of one RPC call */
  timeoutMs?: number;
}

/** The Solana adapter: markers by stock programs, one key that signs, pays and is the markers' base. */
export function createSolanaChain(options: SolanaOptions): ChainPort {
  const { signer, nonceAccount = null, maxUnitPrice = 0n, timeoutMs = TIMEOUT_MS } = options;
  const { rpc, genesis } = openCluster({ ...options, timeoutMs });
  const cluster = async (): Promise<Cluster> => ({ genesis: await genesis(), base: signer.address, nonceAccount });
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
    freezePayouts: async (plan) => freezePayouts(rpc, await cluster(), plan),
    async shortfall(plans) {
      for (const plan of plans) await check(plan);
      return payoutShortfall(rpc, plans);
    },
    async inspect(plan, signature) {
      await check(plan);
      return inspectTransaction(rpc, plan, signature);
    },
    async observe(plan, last, since) {
      await check(plan);
      return observePlan(rpc, plan, last, since);
    },
    async sign(plan, n, mayUse) {
      await check(plan);
      return signPlan(rpc, { signer, nonceAccount, maxUnitPrice }, plan, n, mayUse);
    },
    broadcast: (attempt: Attempt) => rpc.send(attempt.wire),
  };
}

const FAUCET_TRIES = 40;
const FAUCET_POLL_MS = 250;

/**
 * Fills the wallet from a local chain's faucet when less than `lowLamports` is left, and waits until that is confirmed: what is signed next is
 * simulated there. Returns what was added.
 */
export async function topUp(
  rpc: Pick<Rpc, "balance" | "airdrop">,
  wallet: string,
  lowLamports: bigint,
  fillLamports: bigint,
): Promise<bigint> {
  if ((await rpc.balance(wallet)) >= lowLamports) return 0n;
  await rpc.airdrop(wallet, fillLamports);
  for (let tries = 0; tries < FAUCET_TRIES && (await rpc.balance(wallet)) < lowLamports; tries++)
    await sleep(FAUCET_POLL_MS);
  return fillLamports;
}
