import { createPublicKey, verify } from "node:crypto";
import { AuthError } from "./auth-error.ts";
import { fromBase58, fromBase64, numberOf } from "./encoding.ts";

/** Allowed difference of two clocks. */
const CLOCK_SKEW_SECONDS = 60;
const MAX_MESSAGE_BYTES = 8 << 10;
const WALLET_BYTES = 32;
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** A wallet's word that a certificate speaks for a model, as the three headers carry it. */
export interface WalletProof {
  /** base64 of JSON {cert_pub, hotkey, model_id, expires_at} */
  readonly message: string;
  /** base64, Ed25519 over the message's bytes */
  readonly signature: string;
  /** base58 */
  readonly wallet: string;
}

/** What the message must say. null: the message must not say anything else either. */
export interface ExpectedDelegation {
  /** base58, from the orchestrator or the chain; the header's is only compared with it */
  readonly wallet: string | null;
  readonly hotkey: string | null;
  readonly modelId: string | null;
  /** public key of this connection's certificate, SPKI in DER */
  readonly spki: Uint8Array;
  readonly nowMs: number;
}
export interface Delegation {
  readonly modelId: string | null;
  /** Unix seconds */
  readonly expiresAt: number;
  readonly wallet: string;
}

/** Peers on the two sides say the same things in other words. */
export interface DelegationTexts {
  readonly wallet: string;
  readonly model: string;
  readonly hotkey: string;
}
export const OF_RUNNER: DelegationTexts = {
  wallet: "The provided wallet public key does not match the expected public key.",
  model: "The model_id in the payload does not match the expected model_id.",
  hotkey: "Hotkey in the payload does not match the expected hotkey.",
};
export const OF_COORDINATOR: DelegationTexts = {
  wallet: "Wallet pubkey does not match expected crunch wallet",
  model: "model_id in payload does not match the expected model_id",
  hotkey: "hotkey in payload does not match the expected hotkey",
};

/** Checks who signed before what was signed is looked at. @throws AuthError */
export function verifyWalletMessage(
  proof: WalletProof,
  expected: ExpectedDelegation,
  texts: DelegationTexts = OF_RUNNER,
): Delegation {
  const { message, signature, walletKey } = decode(proof);
  if (proof.wallet !== expected.wallet) throw new AuthError("WALLET", texts.wallet);
  if (message.length > MAX_MESSAGE_BYTES)
    throw new AuthError("TOO_LARGE", `The signed message has ${message.length} bytes, ${MAX_MESSAGE_BYTES} are taken`);
  if (!isSignedBy(walletKey, message, signature)) throw new AuthError("SIGNATURE", "Invalid wallet signature");
  const payload = parse(message);
  if (!spkiOf(payload).equals(expected.spki))
    throw new AuthError("CERTIFICATE", "TLS client key does not match wallet-authorized cert_pub");
  if ((payload.model_id ?? null) !== expected.modelId) throw new AuthError("MODEL", texts.model);
  if ((payload.hotkey ?? null) !== expected.hotkey) throw new AuthError("HOTKEY", texts.hotkey);
  const expiresAt = expiryOf(payload);
  if (isExpired(expiresAt, expected.nowMs))
    throw new AuthError("EXPIRED", `The wallet's message expired at ${new Date(expiresAt * 1000).toISOString()}`);
  return { modelId: expected.modelId, expiresAt, wallet: proof.wallet };
}

export const isExpired = (expiresAt: number, nowMs: number): boolean => expiresAt + CLOCK_SKEW_SECONDS <= nowMs / 1000;

function decode(proof: WalletProof): { message: Buffer; signature: Buffer; walletKey: Buffer } {
  try {
    return {
      message: fromBase64(proof.message),
      signature: fromBase64(proof.signature),
      walletKey: fromBase58(proof.wallet),
    };
  } catch (cause) {
    throw new AuthError("ENCODING", `Invalid encoding in auth data: ${(cause as Error).message}`, { cause });
  }
}

function isSignedBy(walletKey: Buffer, message: Buffer, signature: Buffer): boolean {
  if (walletKey.length !== WALLET_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([ED25519_SPKI, walletKey]), format: "der", type: "spki" });
  return verify(null, message, key, signature);
}

interface Payload {
  readonly cert_pub?: unknown;
  readonly model_id?: unknown;
  readonly hotkey?: unknown;
  readonly expires_at?: unknown;
}
function parse(message: Buffer): Payload {
  let payload: unknown;
  try {
    payload = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(message));
  } catch (cause) {
    throw new AuthError("FORMAT", `Bad auth message JSON format: ${(cause as Error).message}`, { cause });
  }
  if (typeof payload !== "object" || payload === null || Array.isArray(payload))
    throw new AuthError("FORMAT", "Bad auth message JSON format: an object is expected");
  return payload;
}

function spkiOf({ cert_pub: text }: Payload): Buffer {
  if (!text) throw new AuthError("CERTIFICATE", "Missing cert_pub in signed message");
  try {
    if (typeof text !== "string") throw new Error("a text is expected");
    return fromBase64(text);
  } catch (cause) {
    throw new AuthError("CERTIFICATE", `Bad cert_pub encoding in message: ${(cause as Error).message}`, { cause });
  }
}

/** Whole seconds. Peers take a message without an expiry, and one that has passed; ours does not. */
function expiryOf({ expires_at: given }: Payload): number {
  if (given === undefined || given === null) throw new AuthError("NO_EXPIRY", "Missing expires_at in signed message");
  const seconds = numberOf(given, "whole");
  if (seconds === undefined)
    throw new AuthError("NOT_A_TIME", "expires_at in the signed message is not a time in Unix seconds");
  return Math.trunc(seconds);
}

/** The bytes that a wallet signs to let a certificate speak for a model. */
export const delegationMessage = (said: {
  spki: Uint8Array;
  hotkey: string | null;
  modelId: string | null;
  expiresAt: number;
}): Buffer =>
  Buffer.from(
    JSON.stringify({
      cert_pub: Buffer.from(said.spki).toString("base64"),
      ...(said.hotkey === null ? {} : { hotkey: said.hotkey }),
      ...(said.modelId === null ? {} : { model_id: said.modelId }),
      expires_at: said.expiresAt,
    }),
  );
