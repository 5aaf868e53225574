import type { Metadata } from "@grpc/grpc-js";
import { AuthError } from "./auth-error.ts";
import type { CoordinatorKeys } from "./coordinator-keys.ts";
import { verifyGatewayToken } from "./gateway-token.ts";
import { readCoordinatorProof, readGatewayToken } from "./headers.ts";
import type { ReplayCache } from "./replay-cache.ts";
import { createKeyCache, nameOf, type Peer } from "./server-credentials.ts";
import { isExpired, OF_COORDINATOR, verifyWalletMessage } from "./wallet-message.ts";

const MAX_REMEMBERED = 256;

/** A call before anything of its message was read. */
export interface IncomingCall {
  /** path, as in /package.Service/Method */
  readonly method: string;
  readonly metadata: Metadata;
  readonly peer: Peer;
  /** the client's, whose chain TLS has checked */
  readonly certificate: { readonly raw: Buffer; readonly fingerprint256: string } | undefined;
}
/** @throws AuthError when the call may not go on */
export type Check = (call: IncomingCall) => void;

/** The client's key must be registered, at the moment of the call: a hash that is withdrawn counts at once. */
export function certificateCheck(
  keys: CoordinatorKeys,
  coordinator: { wallet: string; hotkey: string | null } | undefined,
  now: () => number,
): Check {
  const keyOf = createKeyCache();
  const checkProof = coordinator && proofCheck(coordinator, now);
  return ({ certificate, metadata }) => {
    if (!certificate) throw new AuthError("MISSING", "No client certificate (mTLS required)");
    const { keyHash, spki } = keyOf(certificate.raw, certificate.fingerprint256);
    if (!keys.current().has(keyHash))
      throw new AuthError("KEY", "TLS certificate hash does not match registered certificate");
    checkProof?.(metadata, spki);
  };
}

/** The wallet's word for the client's certificate; a signature that was good is not computed again. */
function proofCheck(
  { wallet, hotkey }: { wallet: string; hotkey: string | null },
  now: () => number,
): (metadata: Metadata, spki: Buffer) => void {
  const good = new Map<string, number>();
  return (metadata, spki) => {
    const proof = readCoordinatorProof(metadata);
    const name = [proof.message, proof.signature, proof.wallet, spki.toString("base64")].join(" ");
    const known = good.get(name);
    if (known !== undefined && !isExpired(known, now())) return;
    const expected = { wallet, hotkey, modelId: null, spki, nowMs: now() };
    const { expiresAt } = verifyWalletMessage(proof, expected, OF_COORDINATOR);
    if (good.size >= MAX_REMEMBERED) good.clear();
    good.set(name, expiresAt);
  };
}

/** Every call carries a fresh token for this model; `tokens` as in ServerSecurityOptions. */
export function gatewayCheck(options: {
  keys: CoordinatorKeys;
  modelId: string;
  seen: ReplayCache;
  tokens: "once" | "connection";
  now: () => number;
}): Check {
  const { keys, modelId, seen, tokens, now } = options;
  const notBefore = Math.floor(now() / 1000);
  return ({ method, metadata, peer }) => {
    const rules = { hashes: keys.current(), modelId, method, notBefore, nowMs: now() };
    const token = verifyGatewayToken(readGatewayToken(metadata), rules);
    // Connections over a Unix socket cannot be told apart.
    const owner = tokens === "connection" && peer.remotePort !== undefined ? nameOf(peer) : undefined;
    if (!seen.take(token.id, token.endsAtMs, now(), owner))
      throw new AuthError("REPLAYED", "Token was used before; each is good for one call");
  };
}
