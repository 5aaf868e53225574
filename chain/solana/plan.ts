import { createHash } from "node:crypto";
import { canonicalBytes } from "../../proofs/canonical.ts";
import type { EmissionPlan, FrozenPlan, PayoutPlan, Transfer } from "../port.ts";
import { deriveMarker } from "./markers.ts";
import { MAX_TRANSACTION_BYTES, planBytes } from "./message.ts";

export interface Cluster {
  genesis: string;
  base: string;
}

const EMISSION_PART = 0;

/** Memo that a reader of the chain finds: which checkpoint of which crunch, and the two hashes it is bound to. */
const memoText = (plan: EmissionPlan): string =>
  `almanac:1:${plan.crunch}:${plan.checkpoint}:${plan.root}:${plan.emissionHash}`;

/** Fixes everything that a retry must not derive again. Pure given the plan. */
export async function freezeEmission({ genesis, base }: Cluster, plan: EmissionPlan): Promise<FrozenPlan> {
  const { crunch, checkpoint, root, emissionHash } = plan;
  return hashed({
    part: EMISSION_PART,
    genesis,
    base,
    key: await deriveMarker(base, "key", crunch, checkpoint, String(EMISSION_PART)),
    content: await deriveMarker(base, "content", crunch, checkpoint, root, emissionHash),
    payload: { kind: "memo", text: memoText(plan) },
  });
}

/**
 * Transfers in order, packed by measured size: a batch grows until one more transfer would not fit a transaction. One marker a batch,
 * the part number in its seed, so that each batch is paid once whatever is retried.
 */
export async function freezePayouts({ genesis, base }: Cluster, plan: PayoutPlan): Promise<FrozenPlan[]> {
  const batches: FrozenPlan[] = [];
  let open: Transfer[] = [];
  const batch = async (transfers: Transfer[]) => {
    const part = batches.length + 1;
    const key = await deriveMarker(base, "key", plan.crunch, plan.checkpoint, String(part));
    return { part, genesis, base, key, payload: { kind: "transfers" as const, transfers } };
  };
  for (const transfer of plan.transfers) {
    const larger = [...open, transfer];
    if (open.length > 0 && planBytes(await batch(larger)) > MAX_TRANSACTION_BYTES) {
      batches.push(hashed(await batch(open)));
      open = [transfer];
    } else {
      open = larger;
    }
  }
  if (open.length > 0) batches.push(hashed(await batch(open)));
  return batches;
}

const hashed = (plan: Omit<FrozenPlan, "hash">): FrozenPlan => ({
  ...plan,
  hash: createHash("sha256").update(canonicalBytes(plan)).digest("hex"),
});
