import {
  createSignableMessage,
  getPublicKeyFromAddress,
  type MessagePartialSigner,
  verifySignature,
} from "@solana/kit";
import { ChainError } from "./port.ts";

/** Whatever holds the submitter's key: a file, a command, or any signer of Solana's own libraries (key management services have such). */
export type Signer = MessagePartialSigner;

/**
 * The Ed25519 signature (64 bytes) of `bytes` by the signer's address. It is verified before anybody uses it: a signer that answers with
 * anything else is KEY_MISMATCH.
 */
export async function signBytes(signer: Signer, bytes: Uint8Array): Promise<Uint8Array> {
  const [signatures] = await signer.signMessages([createSignableMessage(bytes)]);
  const signature = signatures?.[signer.address];
  const key = await getPublicKeyFromAddress(signer.address);
  if (!signature || !(await verifySignature(key, signature, bytes)))
    throw new ChainError("KEY_MISMATCH", `The signer did not answer with a signature by ${signer.address}. Check it.`);
  return signature;
}
