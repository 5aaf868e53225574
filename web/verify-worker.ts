import { sha256 } from "@noble/hashes/sha2.js";
import { openArchive } from "../proofs/verify/archive.ts";
import { Difference } from "../proofs/verify/difference.ts";
import { type Step, verifyBundle } from "../proofs/verify/verify.ts";

/** What the page is told: each step as it is found right, then the end. */
export type VerifyMessage =
  | { kind: "step"; step: Step }
  | { kind: "good"; given: string[]; signer: string }
  | { kind: "different"; message: string }
  | { kind: "failed"; message: string };

const tell = (message: VerifyMessage): void => postMessage(message);

/** Away from the page, because a week may hold a million scores. */
self.addEventListener("message", ({ data }: MessageEvent<{ url: string }>): void => {
  verify(data.url).catch((error: unknown) =>
    tell(
      error instanceof Difference
        ? { kind: "different", message: error.message }
        : { kind: "failed", message: error instanceof Error ? error.message : String(error) },
    ),
  );
});

async function verify(url: string): Promise<void> {
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) throw new Error(`the node answered ${answer.status} for ${url}`);
  const { given, log } = await verifyBundle(openArchive(answer.body), {
    hash: sha256,
    startHash: () => sha256.create(),
    verify: verifyEd25519,
    step: (step) => tell({ kind: "step", step }),
  });
  tell({ kind: "good", given, signer: log.signer });
}

async function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const bytes = (from: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(from);
  const key = await crypto.subtle.importKey("raw", bytes(publicKey), "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, bytes(signature), bytes(message));
}
