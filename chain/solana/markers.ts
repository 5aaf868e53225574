import { createHash } from "node:crypto";
import { address, createAddressWithSeed, createNoopSigner, type Instruction } from "@solana/kit";
import { getAllocateWithSeedInstruction, getTransferSolInstruction } from "@solana-program/system";
import { MEMO_PROGRAM } from "../payload/memo.ts";
import type { FrozenPlan, Marker } from "../port.ts";

// It never writes an account, so a marker that it owns is neither changed nor closed.
const OWNER = MEMO_PROGRAM;
/** one byte: an account without data could be allocated again */
export const MARKER_SPACE = 1n;
const MAX_SEED_LENGTH = 32;

/** The marker of (kind, parts...) under `base`; only the holder of base can make it, and only once. */
export async function deriveMarker(base: string, kind: "key" | "content", ...parts: string[]): Promise<Marker> {
  const digest = createHash("sha256")
    .update(JSON.stringify(["almanac-marker-v1", kind, ...parts]))
    .digest("hex");
  const seed = digest.slice(0, MAX_SEED_LENGTH);
  return { seed, address: await createAddressWithSeed({ baseAddress: address(base), seed, programAddress: OWNER }) };
}

export const markersOf = (plan: Pick<FrozenPlan, "key" | "content">): Marker[] =>
  plan.content ? [plan.key, plan.content] : [plan.key];

/**
 * Transfer, then allocate: CreateAccountWithSeed would let anybody block the address by sending it lamports. The second allocation
 * of one address fails, and with it the whole transaction.
 */
export function markerInstructions(base: string, marker: Marker, rent: bigint): Instruction[] {
  const baseAccount = createNoopSigner(address(base));
  const newAccount = address(marker.address);
  return [
    getTransferSolInstruction({ source: baseAccount, destination: newAccount, amount: rent }),
    getAllocateWithSeedInstruction({
      newAccount,
      baseAccount,
      base: baseAccount.address,
      seed: marker.seed,
      space: MARKER_SPACE,
      programAddress: OWNER,
    }),
  ];
}

/** True for a marker that was allocated; lamports alone (anybody's) do not make one. */
export const isMarker = (account: { owner: string; space: bigint } | null): boolean =>
  account !== null && account.owner === OWNER && account.space >= MARKER_SPACE;
