import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readKeyFile } from "../chain/key.ts";
import type { KeptProof } from "../models/secure/certificate-folder.ts";
import { spkiOf } from "../models/secure/certificates.ts";
import { delegationMessage } from "../models/secure/wallet-message.ts";

/** A wallet that can sign; its key stays where it is. */
export interface Signer {
  readonly address: string;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** Of a key file as Solana's tools write it. @throws when it is missing, readable by others, or no key file */
export async function signerOf(path: string): Promise<Signer> {
  if (!existsSync(path))
    throw new Error(`No wallet's key file at ${path}: a JSON array of 64 bytes is expected there.`);
  const { address, keyPair } = await readKeyFile(path);
  return {
    address,
    sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", keyPair.privateKey, bytes)),
  };
}

/** The wallet's word that a certificate speaks for a model, or (null) for the coordinator, until `days` are over. */
export async function delegate(
  signer: Signer,
  to: { certificate: string; modelId: string | null; hotkey: string | null; days: number },
): Promise<KeptProof> {
  const message = delegationMessage({
    spki: spkiOf(new X509Certificate(to.certificate)),
    hotkey: to.hotkey,
    modelId: to.modelId,
    expiresAt: Math.floor(Date.now() / 1000) + Math.round(to.days * 86_400),
  });
  const signature = await signer.sign(new Uint8Array(message));
  return {
    model_id: to.modelId,
    message: message.toString("base64"),
    signature: Buffer.from(signature).toString("base64"),
    wallet: signer.address,
  };
}
