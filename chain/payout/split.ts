import { apportion } from "../../domain/apportion.ts";
import type { Transfer } from "../port.ts";

export interface Share {
  address: string;
  frac64: number;
}

/**
 * The pool over the shares, exact to the lamport (largest remainder, ties to the earlier share). Two shares of one address are one transfer;
 * a transfer of nothing is left out.
 */
export function splitPool(poolLamports: bigint, shares: readonly Share[]): Transfer[] {
  const amounts = apportion(
    poolLamports,
    shares.map((share) => BigInt(share.frac64)),
  );
  const byAddress = new Map<string, bigint>();
  for (const [i, { address }] of shares.entries()) byAddress.set(address, (byAddress.get(address) ?? 0n) + amounts[i]!);
  return [...byAddress]
    .filter(([, lamports]) => lamports > 0n)
    .map(([to, lamports]) => ({ to, lamports: String(lamports) }));
}
