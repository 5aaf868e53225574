import {
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getTransactionMessageSize,
  type Instruction,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import { getSetComputeUnitLimitInstruction } from "@solana-program/compute-budget";
import { getAddMemoInstruction } from "@solana-program/memo";
import { getTransferSolInstruction } from "@solana-program/system";
import type { FrozenPlan, Payload } from "../port.ts";
import { MEMO_PROGRAM, markerInstructions, markersOf } from "./markers.ts";

export const MAX_TRANSACTION_BYTES = 1232;
export const MAX_COMPUTE_UNITS = 1_400_000;

export interface Terms {
  blockhash: string;
  lastValidBlockHeight: bigint;
  rent: bigint;
  computeUnits: number;
}

type Unhashed = Omit<FrozenPlan, "hash">;

/** The unsigned transaction of a plan: compute limit, markers, payload. */
export const compilePlan = (plan: Unhashed, terms: Terms) => compileTransaction(message(plan, terms));

/** Bytes that the signed transaction of a plan takes on the wire. */
export const planBytes = (plan: Unhashed): number => getTransactionMessageSize(message(plan, LARGEST));

// Size does not depend on the values.
const LARGEST: Terms = {
  blockhash: "1".repeat(32),
  lastValidBlockHeight: 0n,
  rent: 1n,
  computeUnits: MAX_COMPUTE_UNITS,
};

/** Which instruction of the transaction allocates a marker (the compute limit is instruction 0, then transfer, allocate). */
export const isMarkerAllocation = (plan: FrozenPlan, instruction: number): boolean =>
  instruction >= 1 && instruction <= 2 * markersOf(plan).length && instruction % 2 === 0;

function message(plan: Unhashed, terms: Terms) {
  const { lastValidBlockHeight } = terms;
  const empty = setTransactionMessageFeePayer(address(plan.base), createTransactionMessage({ version: 0 }));
  const lived = setTransactionMessageLifetimeUsingBlockhash(
    { blockhash: terms.blockhash as Blockhash, lastValidBlockHeight },
    empty,
  );
  return appendTransactionMessageInstructions(
    [
      getSetComputeUnitLimitInstruction({ units: terms.computeUnits }),
      ...markersOf(plan).flatMap((marker) => markerInstructions(plan.base, marker, terms.rent)),
      ...payloadInstructions(plan.base, plan.payload),
    ],
    lived,
  );
}

function payloadInstructions(base: string, payload: Payload): Instruction[] {
  if (payload.kind === "memo") return [getAddMemoInstruction({ memo: payload.text }, { programAddress: MEMO_PROGRAM })];
  const source = createNoopSigner(address(base));
  return payload.transfers.map(({ to, lamports }) =>
    getTransferSolInstruction({ source, destination: address(to), amount: BigInt(lamports) }),
  );
}
