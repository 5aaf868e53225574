import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from "node:crypto";
import { AuthError } from "./auth-error.ts";
import { asciiJson, fromBase64, numberOf } from "./encoding.ts";

const TOKEN_MAX_AGE_SECONDS = 30;
const MAX_FUTURE_SECONDS = 5;
const MAX_MESSAGE_BYTES = 8 << 10;

/** What the three headers of a gateway call carry, each in base64. */
export interface GatewayToken {
  /** JSON {model_id, timestamp}; ours adds method and nonce */
  readonly message: string;
  /** RSA PKCS#1 v1.5 with SHA-256 over the message's bytes */
  readonly signature: string;
  /** the public key, SPKI in DER */
  readonly key: string;
}

/** A coordinator's RSA key. */
export interface GatewayKey {
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

// What the peers' library calls the kinds of keys.
const KIND: Record<string, string> = {
  rsa: "RSA",
  ec: "EC",
  ed25519: "Ed25519",
  ed448: "Ed448",
  x25519: "X25519",
  x448: "X448",
  dsa: "DSA",
};
const kindOf = (key: KeyObject): string => KIND[key.asymmetricKeyType ?? ""] ?? String(key.asymmetricKeyType);

/** @throws TypeError when it is no RSA key, Error when it is no key */
export function readGatewayKey(pem: string | Buffer): GatewayKey {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== "rsa")
    throw new TypeError(`Only RSA keys are supported, got ${kindOf(privateKey)}PrivateKey`);
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return { privateKey, publicKey: spki.toString("base64") };
}

/**
 * The token of one call. RSA PKCS#1 v1.5 is deterministic and the time is in whole seconds: without a nonce, two calls
 * within a second carry the same token, which a runner that takes each token once refuses.
 */
export function createGatewayToken(
  { privateKey, publicKey }: GatewayKey,
  modelId: string,
  nowMs: number,
  method?: string,
): GatewayToken {
  const ours = method === undefined ? "" : `,"method":${asciiJson(method)},"nonce":"${randomUUID()}"`;
  const message = Buffer.from(`{"model_id":${asciiJson(modelId)},"timestamp":${Math.trunc(nowMs / 1000)}${ours}}`);
  return {
    message: message.toString("base64"),
    signature: sign("sha256", message, privateKey).toString("base64"),
    key: publicKey,
  };
}

/** What the runner knows of who may call. */
export interface GatewayRules {
  /** lower-case hex SHA-256 of the public keys (SPKI, DER) that may call */
  readonly hashes: ReadonlySet<string>;
  readonly modelId: string;
  /** path of the method that is called; compared where the token names one */
  readonly method?: string;
  readonly nowMs: number;
  /** Unix seconds: older tokens may have been used before anybody here kept account */
  readonly notBefore?: number;
  readonly maxAgeSeconds?: number;
}
export interface AcceptedToken {
  readonly modelId: string;
  /** Unix seconds */
  readonly timestamp: number;
  readonly keyHash: string;
  /** tells two tokens apart */
  readonly id: string;
  /** epoch ms from which on the token is too old anyway */
  readonly endsAtMs: number;
}

export const hashOfKey = (spki: Uint8Array): string => createHash("sha256").update(spki).digest("hex");

/** Says nothing of replays: that takes memory (replay-cache.ts). @throws AuthError */
export function verifyGatewayToken(token: GatewayToken, rules: GatewayRules): AcceptedToken {
  const { message, signature, spki } = decode(token);
  const keyHash = hashOfKey(spki);
  if (!rules.hashes.has(keyHash))
    throw new AuthError("KEY", `Public key hash ${keyHash} not found in on-chain cert hashes`);
  if (message.length > MAX_MESSAGE_BYTES)
    throw new AuthError("TOO_LARGE", `The signed message has ${message.length} bytes, ${MAX_MESSAGE_BYTES} are taken`);
  if (!verify("sha256", message, knownKey(spki, keyHash), signature))
    throw new AuthError("SIGNATURE", "Signature verification failed: ");
  const payload = parse(message);
  const maxAge = rules.maxAgeSeconds ?? TOKEN_MAX_AGE_SECONDS;
  const timestamp = timeOf(payload, rules.nowMs / 1000, maxAge);
  if (rules.notBefore !== undefined && timestamp < rules.notBefore)
    throw new AuthError("EXPIRED", "Token is from before this runner's start: it may have been used");
  if (payload.model_id !== rules.modelId)
    throw new AuthError("MODEL", `model_id mismatch: the token is for another model than '${rules.modelId}'`);
  if (payload.method !== undefined && payload.method !== rules.method)
    throw new AuthError("METHOD", "The token is for another method");
  return {
    modelId: rules.modelId,
    timestamp,
    keyHash,
    id: createHash("sha256").update(signature).digest("base64"),
    endsAtMs: (timestamp + maxAge) * 1000,
  };
}

function decode(token: GatewayToken): { message: Buffer; signature: Buffer; spki: Buffer } {
  try {
    return {
      message: fromBase64(token.message),
      signature: fromBase64(token.signature),
      spki: fromBase64(token.key),
    };
  } catch (cause) {
    throw new AuthError("ENCODING", `Invalid base64 encoding: ${(cause as Error).message}`, { cause });
  }
}

/** Of registered coordinators only: there are two at a time. */
const known = new Map<string, KeyObject>();
const MAX_KNOWN = 16;
function knownKey(spki: Buffer, keyHash: string): KeyObject {
  const before = known.get(keyHash);
  if (before) return before;
  const key = rsaKey(spki);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(keyHash, key);
  return key;
}

function rsaKey(spki: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: "der", type: "spki" });
  } catch (cause) {
    const what = (cause as Error).message;
    throw new AuthError("KEY", `Signature verification failed: Could not deserialize key data: ${what}`, { cause });
  }
  if (key.asymmetricKeyType !== "rsa")
    throw new AuthError("KEY", `Expected RSA public key, got ${kindOf(key)}PublicKey`);
  return key;
}

interface Payload {
  readonly model_id?: unknown;
  readonly timestamp?: unknown;
  readonly method?: unknown;
}
function parse(message: Buffer): Payload {
  let payload: unknown;
  try {
    payload = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(message));
  } catch (cause) {
    throw new AuthError("FORMAT", `Invalid JSON payload: ${(cause as Error).message}`, { cause });
  }
  if (typeof payload !== "object" || payload === null || Array.isArray(payload))
    throw new AuthError("FORMAT", "Invalid JSON payload: an object is expected");
  return payload;
}

function timeOf({ timestamp: given }: Payload, now: number, maxAge: number): number {
  if (given === undefined || given === null) throw new AuthError("FORMAT", "Missing 'timestamp' in payload");
  const timestamp = numberOf(given, "fraction");
  if (timestamp === undefined)
    throw new AuthError("NOT_A_TIME", "'timestamp' in payload is not a time in Unix seconds");
  if (timestamp > now + MAX_FUTURE_SECONDS) throw new AuthError("FUTURE", "Token timestamp is in the future");
  if (now - timestamp > maxAge)
    throw new AuthError("EXPIRED", `Token expired: age=${halfEven(now - timestamp)}s exceeds max_age=${maxAge}s`);
  return timestamp;
}

/** Python's rounding to a whole number. */
const halfEven = (value: number): number => {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
};
