import { createHash } from "node:crypto";
import { canonicalBytes } from "../../proofs/canonical.ts";
import { freezeMemo } from "../payload/memo.ts";
import type { EmissionPlan, FrozenPlan } from "../port.ts";
import { deriveMarker } from "./markers.ts";

export interface Cluster {
  genesis: string;
  base: string;
  /** transactions live by it; null: by a recent blockhash */
  nonceAccount: string | null;
}

const EMISSION_PART = 0;

/** Fixes everything that a retry must not derive again. Pure given the plan. */
export async function freezeEmission({ genesis, base }: Cluster, plan: EmissionPlan): Promise<FrozenPlan> {
  const { crunch, checkpoint, root, emissionHash } = plan;
  return hashed({
    part: EMISSION_PART,
    genesis,
    base,
    key: await deriveMarker(base, "key", crunch, checkpoint, String(EMISSION_PART)),
    content: await deriveMarker(base, "content", crunch, checkpoint, root, emissionHash),
    payload: freezeMemo(plan),
  });
}

/** The plan with the sha256 of its canonical bytes. */
export const hashed = (plan: Omit<FrozenPlan, "hash">): FrozenPlan => ({
  ...plan,
  hash: createHash("sha256").update(canonicalBytes(plan)).digest("hex"),
});
