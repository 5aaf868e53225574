import { getBase64Encoder, getCompiledTransactionMessageDecoder, getTransactionDecoder } from "@solana/kit";
import { type Attempt, ChainError, type FrozenPlan, type Lifetime, type Verdict } from "../port.ts";
import { isMarker, markersOf } from "./markers.ts";
import { nonceOf } from "./nonce.ts";
import type { Rpc } from "./rpc.ts";

/**
 * What became of a plan. The markers at `finalized` decide: account state is never pruned, transaction history is. They are read last, so that
 * an attempt whose time was over before they were read can have left no trace that they miss. Nothing from before slot `since` is believed.
 */
export async function observePlan(rpc: Rpc, plan: FrozenPlan, last?: Attempt, since = "0"): Promise<Verdict> {
  if (plan.payload.kind === "claims") throw new ChainError("REFUSED", "this chain pays by transfers, not by claims");
  const over = last ? await lifetimeOver(rpc, plan.base, last.lifetime, BigInt(since)) : null;
  const status = last ? await rpc.status(last.id) : null;
  const markers = markersOf(plan).map((marker) => marker.address);
  const { slot: at, accounts } = await rpc.finalizedAccounts(markers, BigInt(since));
  const slot = String(at);
  const [key, content] = accounts.map(isMarker);
  if (key && (content || !plan.content))
    return { kind: "final", slot, signature: await landedSignature(rpc, plan, last) };
  if (key) return { kind: "conflict", slot };
  if (!last) return { kind: "absent", slot };
  if (status && status.err === null) return { kind: "seen", slot, signature: last.id };
  if (status?.confirmationStatus === "finalized")
    return { kind: "dead", slot, reason: `failed on chain: ${errorText(status.err)}` };
  return !status && over !== null ? { kind: "dead", slot, reason: over } : { kind: "live", slot };
}

/** The reason why bytes of this lifetime cannot land any more, or null while they can. */
async function lifetimeOver(rpc: Rpc, base: string, lifetime: Lifetime, since: bigint): Promise<string | null> {
  if ("nonce" in lifetime) {
    const { nonce, nonceAccount } = lifetime;
    const [account] = (await rpc.finalizedAccounts([nonceAccount], since)).accounts;
    return account && nonceOf(account, nonceAccount, base) === nonce ? null : `nonce ${nonce} is used up`;
  }
  const { lastValidBlockHeight } = lifetime;
  return (await rpc.finalizedHeight()) > BigInt(lastValidBlockHeight)
    ? `expired at block height ${lastValidBlockHeight}`
    : null;
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
