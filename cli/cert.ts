import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { localPath, readConfig } from "../config.ts";
import {
  activate,
  activeSlot,
  clearSlot,
  otherSlot,
  readSlot,
  type Slot,
  writePrivate,
  writeSlot,
} from "../models/secure/certificate-folder.ts";
import { COORDINATOR, type Identity, serverHostname } from "../models/secure/certificates.ts";
import { type Issued, issueAuthority, issueLeaf } from "../models/secure/issue.ts";
import { delegate, type Signer, signerOf } from "./cert-delegation.ts";
import { ROLES, type Role } from "./cert-flags.ts";
import { describeRole, printFolder } from "./cert-show.ts";

/** For a runner of any model whose id is of letters, digits and dashes. */
const ANY_MODEL = "*.crunchdao.internal";
/** Lets runners read the new key hash before the coordinator shows the new key. */
const SETTLE_MS = 5_000;

export interface LeafFlags {
  readonly modelId: string[];
  readonly host: string[];
  readonly wallet?: string;
  readonly hotkey?: string;
  readonly coordinatorWallet?: string;
  readonly coordinatorHotkey?: string;
  readonly days: number;
}
export interface InitFlags extends LeafFlags {
  readonly role?: Role;
  readonly ca?: string;
  readonly caDays: number;
  readonly force?: boolean;
}
export interface RotateFlags extends LeafFlags {
  readonly role: Role;
  readonly ca?: string;
  readonly stage?: boolean;
  readonly activate?: boolean;
  readonly force?: boolean;
}

const folderOf = (given: string | undefined): string => given ?? localPath(readConfig(), "certificates");

/** `almanac cert show`. */
export const showCommand = (given: string | undefined, asJson: boolean): Promise<void> =>
  printFolder(folderOf(given), asJson);

/** `almanac cert init`: an authority, where none is, and a certificate per role. */
export async function initCommand(given: string | undefined, flags: InitFlags): Promise<void> {
  const folder = folderOf(given);
  const roles = flags.role ? [flags.role] : ROLES;
  const taken = roles.map((role) => join(folder, role)).filter((path) => existsSync(path));
  if (taken.length > 0 && !flags.force)
    throw new Error(
      `${taken.join(" and ")} exists already. Renew it with almanac cert rotate, or overwrite it with --force.`,
    );
  const signers = await readSigners(flags);
  const authority = await readOrMakeAuthority(flags.ca ?? join(folder, "ca"), flags.caDays);
  for (const role of roles) {
    const path = join(folder, role);
    const slot = otherSlot(await activeSlot(path));
    await fill(path, slot, role, authority, flags, signers);
    await activate(path, slot);
    await clearSlot(path, otherSlot(slot));
  }
  await writeKeyHashes(folder);
  await printFolder(folder, false);
}

/** `almanac cert rotate`: a new key in the slot that is not in force, then the swap. */
export async function rotateCommand(given: string | undefined, flags: RotateFlags): Promise<void> {
  const folder = folderOf(given);
  const path = join(folder, flags.role);
  const active = await activeSlot(path);
  if (!active) throw new Error(`${path} holds no certificate yet. Make one with: almanac cert init ${folder}`);
  const next = otherSlot(active);
  if (!flags.activate) {
    const before = await readSlot(path, active);
    const wanted = before ? { ...flags, ...inherited(before, flags) } : flags;
    const authority = await readAuthority(flags.ca ?? join(folder, "ca"));
    await fill(path, next, flags.role, authority, wanted, await readSigners(flags));
  }
  await writeKeyHashes(folder);
  if (!flags.stage) await swap(folder, path, flags, active, next);
  console.log(await describeRole(folder, flags.role));
}

async function swap(folder: string, path: string, flags: RotateFlags, active: Slot, next: Slot): Promise<void> {
  const [before, after] = [await readSlot(path, active), await readSlot(path, next)];
  if (!after)
    throw new Error(
      `${path}/${next} is empty; fill it with: almanac cert rotate ${folder} --role ${flags.role} --stage`,
    );
  const lost = [...(before?.proofs.keys() ?? [])].filter((modelId) => !after.proofs.has(modelId));
  if (lost.length > 0 && !flags.force)
    throw new Error(
      `The new certificate has no wallet's word for ${lost.map((id) => (id === COORDINATOR ? "the coordinator" : id)).join(", ")}: ` +
        "it would be refused. Give the wallet, put the signed message into delegations.json, or say --force.",
    );
  if (flags.role === "coordinator") {
    console.log(`waiting ${SETTLE_MS / 1000} s for runners to read the new hash`);
    await sleep(SETTLE_MS);
  }
  await activate(path, next);
}

/** What the certificate before was for, where the flags say nothing else. */
function inherited(before: Identity, flags: LeafFlags): Pick<LeafFlags, "modelId" | "host"> {
  const names = [...(before.leaf.subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map((m) => m[1]!);
  const models = [...before.proofs.keys()].filter((id) => id !== COORDINATOR);
  const known = new Set(models.map(serverHostname));
  return {
    modelId: flags.modelId.length > 0 ? flags.modelId : models,
    host: flags.host.length > 0 ? flags.host : names.filter((name) => !known.has(name)),
  };
}

async function fill(
  path: string,
  slot: Slot,
  role: Role,
  authority: Issued,
  flags: LeafFlags,
  signers: Record<Role, Signer | undefined>,
): Promise<void> {
  const named = [...flags.modelId.map(serverHostname), ...flags.host];
  const hosts = role === "coordinator" ? [] : named.length > 0 ? named : [ANY_MODEL];
  const leaf = await issueLeaf(authority, { name: `almanac ${role}`, hosts, days: flags.days });
  const models = role === "runner" ? flags.modelId : [null];
  const hotkey = (role === "runner" ? flags.hotkey : flags.coordinatorHotkey) ?? null;
  const signer = signers[role];
  const proofs = signer
    ? await Promise.all(
        models.map((modelId) => delegate(signer, { certificate: leaf.certificate, modelId, hotkey, days: flags.days })),
      )
    : [];
  await writeSlot(path, slot, { ca: authority.certificate, leaf, proofs });
}

const readSigners = async (flags: LeafFlags): Promise<Record<Role, Signer | undefined>> => ({
  runner: flags.wallet === undefined ? undefined : await signerOf(flags.wallet),
  coordinator: flags.coordinatorWallet === undefined ? undefined : await signerOf(flags.coordinatorWallet),
});

async function readOrMakeAuthority(folder: string, days: number): Promise<Issued> {
  if (existsSync(join(folder, "ca.crt"))) return readAuthority(folder);
  const made = await issueAuthority({ name: "almanac certificate authority", days });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writePrivate(join(folder, "ca.key"), made.key);
  await writePrivate(join(folder, "ca.crt"), made.certificate);
  return made;
}

async function readAuthority(folder: string): Promise<Issued> {
  const read = (name: string) =>
    readFile(join(folder, name), "utf8").catch((cause: NodeJS.ErrnoException) => {
      throw new Error(`${join(folder, name)} cannot be read (${cause.code}). Name the authority's folder with --ca.`, {
        cause,
      });
    });
  return { certificate: await read("ca.crt"), key: await read("ca.key") };
}

/** The file that runners read who may call from: both slots, the one in force first. */
async function writeKeyHashes(folder: string): Promise<void> {
  const path = join(folder, "coordinator");
  const active = await activeSlot(path);
  if (!active) return;
  const hashes = await Promise.all(
    [active, otherSlot(active)].map(async (slot) => (await readSlot(path, slot))?.keyHash ?? null),
  );
  const [certHash, certHashSecondary] = hashes;
  await writePrivate(
    join(folder, "coordinator-keys.json"),
    `${JSON.stringify({ certHash, certHashSecondary }, null, 2)}\n`,
  );
}
