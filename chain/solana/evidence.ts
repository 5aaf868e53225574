import {
  getBase64Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  isSignature,
} from "@solana/kit";
import type { Evidence, FrozenPlan } from "../port.ts";
import { markersOf } from "./markers.ts";
import { errorText } from "./observe.ts";
import type { Rpc } from "./rpc.ts";

/** Whether a transaction that somebody names is the one of this plan: finalized, without error, paid by our key, with our markers and payload. */
export async function inspectTransaction(rpc: Rpc, plan: FrozenPlan, signature: string): Promise<Evidence> {
  const not = (why: string): Evidence => ({ ours: false, why: `${signature.slice(0, 100)} ${why}` });
  if (!isSignature(signature)) return not("is no transaction's signature (base58 of 64 bytes)");
  const status = await rpc.status(signature);
  if (status === null) return not("is not known to the cluster");
  if (status.err !== null) return not(`failed on chain: ${errorText(status.err)}`);
  if (status.confirmationStatus !== "finalized") return not(`is ${status.confirmationStatus}, not finalized yet`);
  const wire = await rpc.transaction(signature);
  if (wire === null) return not("has left the history of this RPC endpoint; the node looks at its markers by itself");
  const { accounts, texts } = partsOf(wire);
  if (accounts[0] !== plan.base) return not(`is not signed by ${plan.base}`);
  const missing = markersOf(plan).filter((marker) => !accounts.includes(marker.address));
  if (missing.length > 0) return not(`does not make the marker ${missing[0]!.address} of this checkpoint`);
  if (plan.payload.kind === "memo" && !texts.includes(plan.payload.text))
    return not("does not carry the memo of this checkpoint");
  return { ours: true };
}

function partsOf(wire: string): { accounts: readonly string[]; texts: string[] } {
  const { messageBytes } = getTransactionDecoder().decode(getBase64Encoder().encode(wire));
  const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const instructions = "instructions" in message ? message.instructions : [];
  const texts = instructions.map(({ data }) => new TextDecoder().decode(data as Uint8Array | undefined));
  return { accounts: message.staticAccounts, texts };
}
