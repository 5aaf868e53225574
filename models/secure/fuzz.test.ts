import { generateKeyPairSync, sign } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AuthError } from "./auth-error.ts";
import { fromBase58, fromBase64, toBase58 } from "./encoding.ts";
import { createGatewayToken, hashOfKey, readGatewayKey, verifyGatewayToken } from "./gateway-token.ts";
import { readCoordinatorProof, readGatewayToken, readRunnerProof } from "./headers.ts";
import { verifyWalletMessage } from "./wallet-message.ts";

const NOW = Date.UTC(2026, 0, 1);
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const wallet = toBase58(publicKey.export({ type: "spki", format: "der" }).subarray(-32));
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
const key = readGatewayKey(rsa as string);
const hashes = new Set([hashOfKey(Buffer.from(key.publicKey, "base64"))]);

/** Runs what reads outside bytes: it may refuse, it may not fail in any other way. */
function refused(action: () => unknown): AuthError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof AuthError) return error;
    throw error;
  }
}
const wild = fc.oneof(fc.string({ unit: "binary" }), fc.base64String(), fc.string());
const spki = Buffer.from("spki");
const expected = { wallet, hotkey: "hot", modelId: "m", spki, nowMs: NOW };
/** Values that could stand where a good one stands. */
const field = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom("m", "hot", spki.toString("base64"), 1_893_456_000, "1893456000", "__proto__", -0, 1e308),
);

test("any three texts are refused as a proof or a token", () => {
  fc.assert(
    fc.property(wild, wild, wild, (message, signature, third) => {
      expect(refused(() => verifyWalletMessage({ message, signature, wallet: third }, expected))).toBeDefined();
      const rules = { hashes, modelId: "m", nowMs: NOW };
      expect(refused(() => verifyGatewayToken({ message, signature, key: third }, rules))).toBeDefined();
    }),
  );
});

test("a message that is signed is good exactly when all of it is right", () => {
  const message = fc.dictionary(
    fc.constantFrom("cert_pub", "hotkey", "model_id", "expires_at", "__proto__", "x"),
    field,
  );
  fc.assert(
    fc.property(fc.oneof(message, fc.jsonValue()), (said) => {
      const bytes = Buffer.from(JSON.stringify(said));
      const proof = {
        message: bytes.toString("base64"),
        signature: sign(null, bytes, privateKey).toString("base64"),
        wallet,
      };
      const refusal = refused(() => verifyWalletMessage(proof, expected));
      const it = JSON.parse(bytes.toString()) as Record<string, unknown> | null;
      const isRight =
        it?.model_id === "m" &&
        it.hotkey === "hot" &&
        typeof it.cert_pub === "string" &&
        Buffer.from(it.cert_pub, "base64").equals(spki) &&
        Number(it.expires_at) > NOW / 1000;
      expect(refusal === undefined, refusal?.message ?? "accepted").toBe(isRight);
    }),
    { numRuns: 500 },
  );
});

test("a token that is signed is good exactly when all of it is right", () => {
  const payload = fc.dictionary(
    fc.constantFrom("model_id", "timestamp", "method", "__proto__"),
    fc.oneof(field, fc.constant(NOW / 1000)),
  );
  fc.assert(
    fc.property(fc.oneof(payload, fc.jsonValue()), (said) => {
      const bytes = Buffer.from(JSON.stringify(said));
      const signature = sign("sha256", bytes, key.privateKey).toString("base64");
      const token = { message: bytes.toString("base64"), signature, key: key.publicKey };
      const refusal = refused(() => verifyGatewayToken(token, { hashes, modelId: "m", nowMs: NOW }));
      const it = JSON.parse(bytes.toString()) as Record<string, unknown> | null;
      const isRight = it?.model_id === "m" && it.timestamp === NOW / 1000 && !Object.hasOwn(it, "method");
      expect(refusal === undefined, refusal?.message ?? "accepted").toBe(isRight);
    }),
    { numRuns: 200 },
  );
});

test("a good token with any one character changed is refused, or says the same", () => {
  const good = createGatewayToken(key, "m", NOW, "/a.B/C");
  const rules = { hashes, modelId: "m", method: "/a.B/C", nowMs: NOW };
  const part = fc.constantFrom("message", "signature", "key");
  fc.assert(
    fc.property(part, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (name, at, char) => {
      const text = good[name as keyof typeof good];
      const place = at % text.length;
      const changed = { ...good, [name]: text.slice(0, place) + char + text.slice(place + 1) };
      const refusal = refused(() => verifyGatewayToken(changed, rules));
      if (refusal === undefined)
        for (const each of ["message", "signature", "key"] as const)
          expect(fromBase64(changed[each])).toEqual(fromBase64(good[each]));
    }),
  );
});

test("base58 and base64 come back as they went", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expect(fromBase58(toBase58(bytes))).toEqual(Buffer.from(bytes));
      expect(fromBase64(Buffer.from(bytes).toString("base64"))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("headers of any kind are read or refused", () => {
  const names = ["x-server-auth-message", "x-auth-signature", "x-gateway-auth-pubkey", "x-server-wallet-pubkey"];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), fc.string({ unit: "grapheme-ascii" }))), (entries) => {
      const metadata = new Metadata();
      for (const [name, value] of entries) metadata.add(name, value);
      for (const read of [readRunnerProof, readCoordinatorProof, readGatewayToken])
        expect(refused(() => read(metadata))?.reason).toBe("MISSING");
    }),
  );
});
