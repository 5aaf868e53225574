import {
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  createTransactionMessage,
  getTransactionMessageSize,
  type Nonce,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  setTransactionMessageLifetimeUsingDurableNonce,
} from "@solana/kit";
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from "@solana-program/compute-budget";
import { payloadInstructions } from "../payload/payload.ts";
import type { FrozenPlan, Lifetime } from "../port.ts";
import { markerInstructions, markersOf } from "./markers.ts";

export const MAX_TRANSACTION_BYTES = 1232;
export const MAX_COMPUTE_UNITS = 1_400_000;

export interface Terms {
  lifetime: Lifetime;
  rent: bigint;
  computeUnits: number;
  /** priority fee: micro-lamports a compute unit; 0: none */
  unitPrice: bigint;
}

export type Unhashed = Omit<FrozenPlan, "hash">;

/** The unsigned transaction of a plan: nonce, compute budget, markers, payload. */
export const compilePlan = (plan: Unhashed, terms: Terms) => compileTransaction(message(plan, terms));

/** Bytes that the signed transaction of a plan takes on the wire at most; `nonceAccount`: where it lives by one. */
export const planBytes = (plan: Unhashed, nonceAccount: string | null): number =>
  getTransactionMessageSize(message(plan, largest(nonceAccount)));

// Size does not depend on the values.
const A_HASH = "1".repeat(32);
const largest = (nonceAccount: string | null): Terms => ({
  lifetime: nonceAccount ? { nonce: A_HASH, nonceAccount } : { blockhash: A_HASH, lastValidBlockHeight: "0" },
  ...{ rent: 1n, computeUnits: MAX_COMPUTE_UNITS, unitPrice: 1n },
});

const budget = ({ computeUnits, unitPrice }: Terms) => [
  getSetComputeUnitLimitInstruction({ units: computeUnits }),
  ...(unitPrice > 0n ? [getSetComputeUnitPriceInstruction({ microLamports: unitPrice })] : []),
];

/** Which instruction of the transaction allocates a marker: each marker is a transfer, then an allocation. */
export function isMarkerAllocation(plan: FrozenPlan, terms: Terms, instruction: number): boolean {
  const first = budget(terms).length + ("nonce" in terms.lifetime ? 1 : 0);
  const place = instruction - first;
  return place >= 0 && place < 2 * markersOf(plan).length && place % 2 === 1;
}

function message(plan: Unhashed, terms: Terms) {
  const instructions = [
    ...budget(terms),
    ...markersOf(plan).flatMap((marker) => markerInstructions(plan.base, marker, terms.rent)),
    ...payloadInstructions(plan.base, plan.payload),
  ];
  const payer = address(plan.base);
  const paid = setTransactionMessageFeePayer(payer, createTransactionMessage({ version: 0 }));
  const { lifetime } = terms;
  if ("nonce" in lifetime) {
    const nonce = lifetime.nonce as Nonce;
    const config = { nonce, nonceAccountAddress: address(lifetime.nonceAccount), nonceAuthorityAddress: payer };
    // It puts the advance of the nonce first, where the cluster looks for it.
    return appendTransactionMessageInstructions(
      instructions,
      setTransactionMessageLifetimeUsingDurableNonce(config, paid),
    );
  }
  const blockhash = lifetime.blockhash as Blockhash;
  const config = { blockhash, lastValidBlockHeight: BigInt(lifetime.lastValidBlockHeight) };
  return appendTransactionMessageInstructions(instructions, setTransactionMessageLifetimeUsingBlockhash(config, paid));
}
