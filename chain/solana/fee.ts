import type { Rpc } from "./rpc.ts";

const QUANTILE = 0.75;

/**
 * Priority fee in micro-lamports a compute unit: what three of four recent blocks asked at most of transactions that wrote the payer's account
 * (the markers are new: nobody competes for them), never more than `most`.
 */
export async function unitPrice(rpc: Pick<Rpc, "recentFees">, payer: string, most: bigint): Promise<bigint> {
  if (most === 0n) return 0n;
  const fees = (await rpc.recentFees([payer])).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const asked = fees[Math.floor(fees.length * QUANTILE)] ?? 0n;
  if (asked > most) return most;
  return asked;
}
