import { generateKeyPairSync } from "node:crypto";
import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const RAW_BYTES = 32;

/**
 * Makes an Ed25519 key file in the format of the Solana tools (JSON array of 64 bytes: seed, then public key), mode 0600.
 * A file that is there stays as it is.
 */
export function ensureSigningKey(path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ type: "pkcs8", format: "der" }).subarray(-RAW_BYTES);
  const address = publicKey.export({ type: "spki", format: "der" }).subarray(-RAW_BYTES);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify([...seed, ...address]), { mode: 0o600 });
  try {
    linkSync(draft, path); // whole or absent, and never over another one
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
