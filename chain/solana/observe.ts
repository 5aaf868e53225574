import { getBase64Encoder, getCompiledTransactionMessageDecoder, getTransactionDecoder } from "@solana/kit";
import type { Attempt, FrozenPlan, Verdict } from "../port.ts";
import { isMarker, markersOf } from "./markers.ts";
import type { Rpc } from "./rpc.ts";

/**
 * What became of a plan. The markers at `finalized` decide: account state is never pruned, transaction history is. They are read last, so that
 * an attempt whose time was over before they were read can have left no trace that they miss.
 */
export async function observePlan(rpc: Rpc, plan: FrozenPlan, last?: Attempt): Promise<Verdict> {
  const height = last ? await rpc.finalizedHeight() : 0n;
  const status = last ? await rpc.status(last.id) : null;
  const { slot, accounts } = await rpc.finalizedAccounts(markersOf(plan).map((marker) => marker.address));
  const [key, content] = accounts.map(isMarker);
  if (key && (content || !plan.content))
    return { kind: "final", slot: String(slot), signature: await landedSignature(rpc, plan, last) };
  if (key) return { kind: "conflict", slot: String(slot) };
  if (!last) return { kind: "absent" };
  if (status && status.err === null) return { kind: "seen", signature: last.id };
  if (status?.confirmationStatus === "finalized")
    return { kind: "dead", reason: `failed on chain: ${errorText(status.err)}` };
  const { lastValidBlockHeight } = last.lifetime;
  if (!status && height > BigInt(lastValidBlockHeight))
    return { kind: "dead", reason: `expired at block height ${lastValidBlockHeight}` };
  return { kind: "live" };
}

/** For display, never for a decision: the transaction that made the marker. Null where history has been pruned. */
async function landedSignature(rpc: Rpc, plan: FrozenPlan, last?: Attempt): Promise<string | null> {
  const found = await rpc.signaturesFor((plan.content ?? plan.key).address);
  const succeeded = found.filter((entry) => entry.err === null).map((entry) => entry.signature);
  if (last && succeeded.includes(last.id)) return last.id;
  // Anybody may send lamports to the address; only what our base key signed can have allocated it.
  for (const signature of succeeded.reverse()) if (await isPaidBy(rpc, signature, plan.base)) return signature;
  return null;
}

async function isPaidBy(rpc: Rpc, signature: string, base: string): Promise<boolean> {
  const wire = await rpc.transaction(signature);
  if (wire === null) return false;
  const { messageBytes } = getTransactionDecoder().decode(getBase64Encoder().encode(wire));
  return getCompiledTransactionMessageDecoder().decode(messageBytes).staticAccounts[0] === base;
}

export const errorText = (err: unknown): string =>
  JSON.stringify(err, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
