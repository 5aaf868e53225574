import { mkdir, mkdtemp, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateError, type Identity, readIdentity } from "./certificates.ts";
import type { Issued } from "./issue.ts";
import type { WalletProof } from "./wallet-message.ts";

const SLOTS = ["slot-0", "slot-1"] as const;
export type Slot = (typeof SLOTS)[number];
/** What programs read; each is what the slot in force has. */
const LINKS: Record<string, string> = {
  "ca.crt": "ca.crt",
  "tls.crt": "tls.crt",
  "tls.key": "tls.key",
  "key.pem": "tls.key",
  "delegations.json": "delegations.json",
};
const PRIVATE = { mode: 0o600 };

/** A wallet's word as it is kept: for a model, or (null) for the coordinator itself. */
export interface KeptProof extends WalletProof {
  readonly model_id: string | null;
}

export interface SlotContent {
  readonly ca: string;
  readonly leaf: Issued;
  readonly proofs: readonly KeptProof[];
}

/** The slot in force; undefined where nothing was made yet. */
export async function activeSlot(folder: string): Promise<Slot | undefined> {
  const name = await readlink(join(folder, "current")).catch(() => undefined);
  return SLOTS.find((slot) => slot === name);
}
export const otherSlot = (slot: Slot | undefined): Slot => (slot === "slot-0" ? "slot-1" : "slot-0");

/** What a slot holds; undefined when it is empty. @throws CertificateError when it holds something unusable */
export async function readSlot(folder: string, slot: Slot): Promise<Identity | undefined> {
  try {
    return await readIdentity(join(folder, slot));
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    if (error instanceof CertificateError && cause?.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Fills a slot that is not in force: beside it first, so that half of it is never there. */
export async function writeSlot(folder: string, slot: Slot, { ca, leaf, proofs }: SlotContent): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const fresh = await mkdtemp(join(folder, `.${slot}-`));
  try {
    await writeFile(join(fresh, "ca.crt"), ca, PRIVATE);
    await writeFile(join(fresh, "tls.crt"), leaf.certificate, PRIVATE);
    await writeFile(join(fresh, "tls.key"), leaf.key, PRIVATE);
    await writeFile(join(fresh, "delegations.json"), `${JSON.stringify(proofs, null, 2)}\n`, PRIVATE);
    await rm(join(folder, slot), { recursive: true, force: true });
    await rename(fresh, join(folder, slot));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Forgets a key that is not in force. */
export const clearSlot = (folder: string, slot: Slot): Promise<void> =>
  rm(join(folder, slot), { recursive: true, force: true });

/** Puts a slot in force, in one step. */
export async function activate(folder: string, slot: Slot): Promise<void> {
  await replaceLink(folder, "current", slot);
  for (const [name, target] of Object.entries(LINKS)) await replaceLink(folder, name, join("current", target));
}

async function replaceLink(folder: string, name: string, target: string): Promise<void> {
  const beside = join(folder, `.${name}-${process.pid}`);
  await rm(beside, { force: true });
  await symlink(target, beside);
  await rename(beside, join(folder, name));
}

/** Writes a file that nobody but its owner may read, in one step. */
export async function writePrivate(path: string, content: string): Promise<void> {
  const beside = `${path}.${process.pid}`;
  await writeFile(beside, content, PRIVATE);
  await rename(beside, path);
}
