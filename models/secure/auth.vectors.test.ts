import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { AuthError } from "./auth-error.ts";
import { keyHashOf, serverHostname } from "./certificates.ts";
import { fromBase58, fromBase64, toBase58 } from "./encoding.ts";
import { createGatewayToken, hashOfKey, readGatewayKey, verifyGatewayToken } from "./gateway-token.ts";
import { addGatewayToken, readRunnerProof } from "./headers.ts";
import { createReplayCache } from "./replay-cache.ts";
import { OF_COORDINATOR, OF_RUNNER, verifyWalletMessage } from "./wallet-message.ts";

interface Answer {
  accept?: boolean;
  unchecked?: boolean;
  uncaught?: boolean;
  value?: string;
  metadata?: Record<string, string>;
  expires_at?: unknown;
  payload?: Record<string, unknown>;
  error?: { message: string | null };
}
type Case<I> = { name: string; fn: string; input: I; expected: Record<string, Answer> };
interface Keys {
  [name: string]: { private_pem: string; cert_pem: string };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const vectors = JSON.parse(readFileSync(join(folder, "auth.json"), "utf8")) as {
  source: { keys: Keys & { model_id: string } };
  cases: Case<never>[];
};
const { keys } = vectors.source;
const casesOf = <I>(fn: string) => vectors.cases.filter((c) => c.fn === fn).map((c) => [c.name, c as Case<I>] as const);
/** Before every expiry that a good message has in the vectors. */
const NOW = Date.UTC(2026, 0, 1);

/** Where the peers accept and ours refuses, and why; anything else that the peers accept must be accepted. */
const HOLES: Record<string, { reason: string; why: string }> = {
  "wallet/expired-is-accepted": { reason: "EXPIRED", why: "the peers read expires_at and never compare it" },
  "wallet/no-expiry-is-accepted": { reason: "NO_EXPIRY", why: "a delegation for ever cannot be taken back" },
  "gateway/other-model-accepted": { reason: "MODEL", why: "the peer never compares model_id" },
  "gateway/no-model-accepted": { reason: "MODEL", why: "the peer never compares model_id" },
  "gateway/timestamp-nan-accepted": { reason: "FORMAT", why: "NaN passes both comparisons: it would be good for ever" },
};
/** The reasons above and their like, for cases that are not in the list: held-back vectors have other names. */
const HOLE_REASONS = new Set(["EXPIRED", "NO_EXPIRY", "NOT_A_TIME", "MODEL", "FORMAT", "TOO_LARGE"]);

const answersOf = ({ expected }: Case<unknown>): [string, Answer][] => Object.entries(expected);
/** Behind these the peer quotes a library, whose words are not ours. An uncaught error is no text that anybody sees. */
const QUOTES =
  /^(Bad auth message JSON format|Bad cert_pub encoding in message|Invalid encoding in auth data|Invalid JSON payload|Signature verification failed|Invalid base64 encoding): /;
const said = (text: string | null | undefined): string => QUOTES.exec(text ?? "")?.[0] ?? text ?? "";
const isText = (ours: string, { error, uncaught }: Answer): boolean =>
  uncaught === true || said(ours) === said(error?.message);
const refusalOf = (action: () => unknown): AuthError | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof AuthError) return error;
    throw error;
  }
};
/** Holds ours against one peer's answer. */
function compare(name: string, peer: Answer, refusal: AuthError | undefined): void {
  if (peer.accept && refusal) {
    if (HOLES[name]) expect(refusal.reason).toBe(HOLES[name].reason);
    else if (!process.env.VECTORS_DIR) expect.unreachable(`${name} is accepted by the peer: ${refusal.message}`);
    else expect(HOLE_REASONS, `${name}: ${refusal.message}`).toContain(refusal.reason);
  } else {
    expect(refusal === undefined, refusal?.message ?? "accepted").toBe(peer.accept);
    if (refusal) expect(isText(refusal.message, peer), `${refusal.message} | ${peer.error?.message}`).toBe(true);
  }
}

interface WalletInput {
  message_b64: string;
  signature_b64: string;
  wallet_pub_b58: string;
  expected_wallet_pub_b58: string;
  tls_pub: { $bytes: string };
  expected_hotkey: string | null;
  expected_model_id: string | null;
}
describe("wallet delegation", () => {
  test.each(casesOf<WalletInput>("verify_wallet_delegation"))("%s", (name, c) => {
    const { input } = c;
    const proof = { message: input.message_b64, signature: input.signature_b64, wallet: input.wallet_pub_b58 };
    const expected = {
      wallet: input.expected_wallet_pub_b58,
      hotkey: input.expected_hotkey,
      modelId: input.expected_model_id,
      spki: Buffer.from(input.tls_pub.$bytes, "base64"),
      nowMs: NOW,
    };
    for (const [side, answer] of answersOf(c)) {
      const texts = side === "runner" ? OF_COORDINATOR : OF_RUNNER;
      const refusal = refusalOf(() => verifyWalletMessage(proof, expected, texts));
      compare(name, answer, refusal);
      if (refusal) continue;
      const { expiresAt, modelId, wallet } = verifyWalletMessage(proof, expected, texts);
      expect({ expires_at: expiresAt, model_id: modelId, wallet }).toEqual({
        expires_at: plain(answer.expires_at),
        model_id: input.expected_model_id,
        wallet: input.wallet_pub_b58,
      });
    }
  });
});
const plain = (value: unknown): unknown =>
  value !== null && typeof value === "object" ? Number(Object.values(value)[0]) : value;

interface HeadersInput {
  metadata: [string, string | { $bytes: string }][];
  method: string;
  protected_prefix: string;
  expected_wallet_pub_b58: string;
  expected_hotkey: string;
  expected_model_id: string;
  tls_pub: { $bytes: string };
}
/** gRPC refuses bytes in such a header before we see them, so they are put in behind its back. */
function metadataOf(entries: HeadersInput["metadata"]): Metadata {
  const metadata = new Metadata();
  const raw = new Map<string, Buffer>();
  for (const [key, value] of entries)
    if (typeof value === "string") metadata.add(key, value);
    else raw.set(key.toLowerCase(), Buffer.from(value.$bytes, "base64"));
  const get = metadata.get.bind(metadata);
  metadata.get = (key) => (raw.has(key) ? [raw.get(key)!] : get(key));
  return metadata;
}
describe("headers of the runner", () => {
  test.each(casesOf<HeadersInput>("WalletTlsAuthClientInterceptor"))("%s", (name, c) => {
    const { input } = c;
    // Ours has no unprotected prefix: only health is called without a proof, and on no channel that carries data.
    const isHealth = input.method.startsWith("/grpc.health.v1.Health/");
    const refusal = refusalOf(() => {
      if (isHealth && !input.method.startsWith(input.protected_prefix)) return;
      verifyWalletMessage(readRunnerProof(metadataOf(input.metadata)), {
        wallet: input.expected_wallet_pub_b58,
        hotkey: input.expected_hotkey,
        modelId: input.expected_model_id,
        spki: Buffer.from(input.tls_pub.$bytes, "base64"),
        nowMs: NOW,
      });
    });
    for (const [, answer] of answersOf(c))
      if (answer.unchecked && !isHealth) expect(refusal).toBeDefined();
      else compare(name, answer, refusal);
  });
});

describe("gateway tokens of the client", () => {
  test.each(
    casesOf<{ private_key: string; model_id: string; now: number }>(
      "GatewayAuthClientInterceptor._build_auth_metadata",
    ),
  )("%s", (_name, { input, expected }) => {
    const key = readGatewayKey(keys[input.private_key.replace("keys.", "")]!.private_pem);
    const token = createGatewayToken(key, input.model_id, input.now * 1000);
    expect(addGatewayToken(new Metadata(), token).getMap()).toEqual(expected.client?.metadata);
  });

  test("ours carry a method and a nonce, so that no two are the same", () => {
    const key = readGatewayKey(keys.tls!.private_pem);
    const tokens = [1, 2].map(() => createGatewayToken(key, "model-1", NOW, "/a.B/C"));
    expect(tokens[0]!.signature).not.toBe(tokens[1]!.signature);
    const hashes = new Set([hashOfKey(Buffer.from(key.publicKey, "base64"))]);
    for (const token of tokens) {
      expect(verifyGatewayToken(token, { hashes, modelId: "model-1", method: "/a.B/C", nowMs: NOW }).timestamp).toBe(
        NOW / 1000,
      );
      const other = refusalOf(() =>
        verifyGatewayToken(token, { hashes, modelId: "model-1", method: "/a.B/D", nowMs: NOW }),
      );
      expect(other?.reason).toBe("METHOD");
    }
  });
});

interface GatewayInput {
  message_b64: string;
  signature_b64: string;
  pubkey_b64: string;
  now: number;
  allowed_cert_hashes: string[];
  max_age_seconds: number;
}
describe("gateway tokens at the runner", () => {
  test.each(casesOf<GatewayInput>("verify_gateway_auth"))("%s", (name, c) => {
    const { input } = c;
    const token = { message: input.message_b64, signature: input.signature_b64, key: input.pubkey_b64 };
    const seen = createReplayCache();
    const nowMs = input.now * 1000;
    const present = () => {
      const { id, endsAtMs } = verifyGatewayToken(token, {
        hashes: new Set(input.allowed_cert_hashes),
        modelId: keys.model_id,
        nowMs,
        maxAgeSeconds: input.max_age_seconds,
      });
      if (!seen.take(id, endsAtMs, nowMs)) throw new AuthError("REPLAYED", "again");
    };
    for (const [, answer] of answersOf(c)) {
      const refusal = refusalOf(present);
      compare(name, answer, refusal);
      // The hole of gateway/replay-accepted, which every good token has: it is good again for 30 s.
      if (!refusal) expect(refusalOf(present)?.reason).toBe("REPLAYED");
    }
  });
});

describe("keys and names", () => {
  test.each(casesOf<{ key_pem: string }>("GatewayCredentials.from_pem"))("%s", (_name, { input, expected }) => {
    const { accept, error } = expected.client!;
    if (accept) expect(readGatewayKey(input.key_pem).publicKey.length).toBeGreaterThan(300);
    else expect(() => readGatewayKey(input.key_pem)).toThrow(error?.message ?? /./);
  });
  test.each(casesOf<{ model_id: string }>("ModelRunner.server_hostname"))("%s", (_name, { input, expected }) => {
    expect(serverHostname(input.model_id)).toBe(expected.client?.value);
  });
  test.each(casesOf<{ spki_der: string; cert: string }>("sha256(SPKI DER)"))("%s", (_name, { input, expected }) => {
    const pem = keys[input.cert.split(".")[1]!]!.cert_pem;
    expect(keyHashOf(new X509Certificate(pem))).toBe(expected.both?.value);
    expect(hashOfKey(Buffer.from(input.spki_der, "base64"))).toBe(expected.both?.value);
  });
  test.each(casesOf<{ bytes: string }>("base58.b58encode"))("%s", (_name, { input, expected }) => {
    const bytes = Buffer.from(input.bytes, "base64");
    expect(toBase58(bytes)).toBe(expected.both?.value);
    expect(fromBase58(toBase58(bytes))).toEqual(bytes);
  });
  test.each(casesOf<{ text: string }>("base58.b58decode"))("%s", (_name, { input, expected }) => {
    const { value, error } = expected.both!;
    if (error) expect(() => fromBase58(input.text)).toThrow(error.message!);
    else expect(fromBase58(input.text).toString("base64")).toBe(value);
  });
});

test("every case was looked at, and every hole in the list is one", () => {
  const known = new Set([
    "verify_wallet_delegation",
    "WalletTlsAuthClientInterceptor",
    "GatewayAuthClientInterceptor._build_auth_metadata",
    "verify_gateway_auth",
    "GatewayCredentials.from_pem",
    "ModelRunner.server_hostname",
    "sha256(SPKI DER)",
    "base58.b58encode",
    "base58.b58decode",
  ]);
  expect(vectors.cases.filter((c) => !known.has(c.fn)).map((c) => c.name)).toEqual([]);
  for (const [name, { why }] of Object.entries(HOLES)) {
    const found = vectors.cases.find((c) => c.name === name);
    // Held-back vectors need not have it.
    if (found)
      expect(
        answersOf(found).every(([, { accept }]) => accept),
        `${name}: ${why}`,
      ).toBe(true);
  }
});

test.each([
  ["YQ==", "a"],
  ["Y Q = =", "a"],
  ["YWI=YWJj", "ab"],
  ["YWJj=", "abc"],
  ["", ""],
])("base64 %j as Python reads it", (text, bytes) => {
  expect(fromBase64(text).toString()).toBe(bytes);
});
test.each(["Y", "YW", "YWI", "YQ=", "=YWI"])("base64 %j is refused", (text) => {
  expect(() => fromBase64(text)).toThrow(/padding|cannot be 1 more/);
});
