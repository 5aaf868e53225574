import { getAddressDecoder } from "@solana/kit";
import type { EmissionPlan } from "../port.ts";
import { inspectTransaction } from "./evidence.ts";
import { isMarker, markersOf } from "./markers.ts";
import { freezeEmission } from "./plan.ts";
import { createRpc } from "./rpc.ts";

/** What the chain says of a checkpoint, at finalized. */
export type ChainFinding = { genesis: string; slot: bigint } & (
  | { kind: "final"; signature: string | null }
  /** nobody has submitted it */
  | { kind: "absent" }
  /** the key has submitted another content under this checkpoint's name, or its transaction says something else */
  | { kind: "other"; why: string }
);

/** Of a transaction by the key that makes both markers: the log that its memo names is another one. */
const OTHER_MEMO = /does not carry the memo/;

/** The address of an Ed25519 public key. */
export const addressOf = (publicKey: Uint8Array): string => getAddressDecoder().decode(publicKey);

/**
 * Looks for the two markers that only `signer` can have made for this checkpoint and this content, and for the transaction that made them. Needs
 * nothing but a public endpoint. Throws ChainError UNREACHABLE.
 */
export async function findCheckpoint(
  { rpcUrl, timeoutMs, signer }: { rpcUrl: string; timeoutMs: number; signer: string },
  plan: EmissionPlan,
): Promise<ChainFinding> {
  const rpc = createRpc(rpcUrl, timeoutMs);
  const genesis = await rpc.genesis();
  const frozen = await freezeEmission({ genesis, base: signer, nonceAccount: null }, plan);
  const { slot, accounts } = await rpc.finalizedAccounts(markersOf(frozen).map((marker) => marker.address));
  const [key, content] = accounts.map(isMarker);
  const at = { genesis, slot };
  if (!key && !content) return { ...at, kind: "absent" };
  if (!key || !content) return { ...at, kind: "other", why: `${signer} has submitted another content for it` };
  const made = (await rpc.signaturesFor(frozen.content!.address)).filter((each) => each.err === null);
  for (const { signature } of made.reverse()) {
    const evidence = await inspectTransaction(rpc, frozen, signature);
    if (evidence.ours) return { ...at, kind: "final", signature };
    if (OTHER_MEMO.test(evidence.why)) return { ...at, kind: "other", why: evidence.why };
  }
  // Anybody may send lamports to a marker; without its own transaction in the history only the markers speak, and they are enough.
  return { ...at, kind: "final", signature: null };
}
