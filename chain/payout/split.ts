import { apportion } from "../../domain/apportion.ts";
import type { Transfer } from "../port.ts";

export interface Share {
  address: string;
  frac64: number;
}

/**
 * The pool over the shares, exact to the smallest unit (largest remainder, ties to the earlier share). Two shares of one address are one transfer;
 * a transfer of nothing is left out.
 */
export function splitPool(pool: bigint, shares: readonly Share[]): Transfer[] {
  const amounts = apportion(
    pool,
    shares.map((share) => BigInt(share.frac64)),
  );
  const byAddress = new Map<string, bigint>();
  for (const [i, { address }] of shares.entries()) byAddress.set(address, (byAddress.get(address) ?? 0n) + amounts[i]!);
  return [...byAddress].filter(([, amount]) => amount > 0n).map(([to, amount]) => ({ to, amount: String(amount) }));
}
