import { createPrivateKey, createPublicKey, hash, sign, verify } from "node:crypto";
import type { Hash } from "../../proofs/hash.ts";

export const sha256: Hash = (bytes) => hash("sha256", bytes, "buffer");

const PKCS8_SEED = Buffer.from("302e020100300506032b657004220420", "hex");
const key = createPrivateKey({ key: Buffer.concat([PKCS8_SEED, Buffer.alloc(32, 7)]), format: "der", type: "pkcs8" });
export const signer = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
export const signWithKey = (bytes: Uint8Array): Uint8Array => new Uint8Array(sign(null, bytes, key));

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
export const verifySignature = async (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => {
  const spki = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
  return verify(null, message, spki, signature);
};
