import { readFileSync, statSync } from "node:fs";
import { createKeyPairSignerFromBytes, type KeyPairSigner } from "@solana/kit";
import { z } from "zod";

const keyFile = z.array(z.number().int().min(0).max(255)).length(64);
const OTHERS = 0o077;

class KeyFileError extends Error {
  override name = "KeyFileError";
}

/** The signer of a key file as Solana's own tools write it: a JSON array of 64 bytes, readable by its owner alone. */
export async function readKeyFile(path: string): Promise<KeyPairSigner> {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  if (mode === undefined) throw new KeyFileError(`No key file at ${path}. Set SOLANA_KEYPAIR_PATH to one.`);
  if ((mode & OTHERS) !== 0)
    throw new KeyFileError(
      `${path} can be read by others (mode ${(mode & 0o777).toString(8)}). Run: chmod 600 ${path}`,
    );
  const bytes = keyFile.safeParse(parseJson(readFileSync(path, "utf8")));
  if (!bytes.success) throw new KeyFileError(`${path} is not a key file: a JSON array of 64 bytes is expected.`);
  try {
    return await createKeyPairSignerFromBytes(Uint8Array.from(bytes.data));
  } catch (cause) {
    throw new KeyFileError(`${path} holds no key pair: its public half does not belong to its private half.`, {
      cause,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the schema's refusal says what was expected
  }
}
