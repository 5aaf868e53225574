import { createHash } from "node:crypto";
import { address, getBase58Encoder } from "@solana/kit";
import type { LiteSVM } from "litesvm";
import { base58, type Message, nonceUse } from "./transaction.ts";

// Layout of a nonce account: version u32, state u32, authority 32, nonce 32, fee u64.
const NONCE_BYTES = 80;
const STATE = 4;
const INITIALISED = 1;
const AUTHORITY = 8;
const VALUE = 40;
const END = 72;

/** True where the message lives by a durable nonce that is still the account's value. */
export function livesByNonce(svm: LiteSVM, message: Message): boolean {
  const nonce = nonceUse(message);
  const account = nonce && svm.getAccount(address(nonce.account));
  if (!nonce || !account?.exists || account.data.length !== NONCE_BYTES || account.data[STATE] !== INITIALISED)
    return false;
  const [authority, value] = [account.data.slice(AUTHORITY, VALUE), account.data.slice(VALUE, END)].map(base58);
  return authority === nonce.authority && value === message.lifetimeToken;
}

/**
 * Agave keeps the advanced nonce when the rest of its transaction fails; LiteSVM rolls it back. The next value follows from the lifetime, as in
 * LiteSVM's own advance (Agave takes the last blockhash: as unpredictable to a client, and as different from the value before).
 */
export function advanceNonce(svm: LiteSVM, message: Message): void {
  const account = svm.getAccount(address(nonceUse(message)!.account));
  if (!account.exists) return;
  const data = new Uint8Array(account.data);
  const lifetime = Uint8Array.from(getBase58Encoder().encode(message.lifetimeToken));
  data.set(createHash("sha256").update("DURABLE_NONCE").update(lifetime).digest(), VALUE);
  svm.setAccount({ ...account, data });
}
