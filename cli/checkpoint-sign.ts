import { type Signer, signBytes } from "../chain/signer.ts";
import type { Decision } from "../domain/checkpoint.ts";
import { type DecisionInput, type DecisionStatement, LONGEST_VALIDITY_MS } from "../domain/decision.ts";
import { decisionBytes } from "../proofs/decision.ts";
import { toHex } from "../proofs/hash.ts";

/** What of the node goes into the signed text. */
export interface Signed {
  network: string;
  crunch: string;
  checkpoint: string;
  emissionHash: string;
}

export interface Terms {
  action: Decision;
  reason: string | null;
  /** the Idempotency-Key */
  key: string;
  validMs: number;
}

/** The argument of the update that carries this decision out: as the API takes it, and as it is pasted into the Temporal UI. */
export async function signDecision(
  signer: Signer,
  { network, crunch, checkpoint, emissionHash }: Signed,
  { action, reason, key, validMs }: Terms,
): Promise<Required<Omit<DecisionInput, "actor" | "reason">> & { reason?: string }> {
  const statement: DecisionStatement = {
    type: "almanac-decision/1",
    ...{ network, crunch, checkpoint, emission_hash: emissionHash, action, reason, key },
    expires_at: new Date(Date.now() + Math.min(validMs, LONGEST_VALIDITY_MS)).toISOString(),
  };
  const signature = toHex(await signBytes(signer, decisionBytes(statement)));
  return {
    ...(reason === null ? {} : { reason }),
    ...{ key, expires_at: statement.expires_at, approver: signer.address },
    signature,
  };
}
