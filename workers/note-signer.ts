import { getAddressEncoder } from "@solana/kit";
import type { NoteSigner } from "../activities/note.ts";
import { type Signer, signBytes } from "../chain/signer.ts";

/** The submitter's key as the signer of log heads: who can verify its transactions can verify its notes. */
export const noteSigner = (signer: Signer): NoteSigner => ({
  publicKey: new Uint8Array(getAddressEncoder().encode(signer.address)),
  sign: (bytes) => signBytes(signer, bytes),
});
