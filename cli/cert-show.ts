import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { activeSlot, otherSlot, readSlot, type Slot } from "../models/secure/certificate-folder.ts";
import { type Identity, spkiOf } from "../models/secure/certificates.ts";
import { fromBase64 } from "../models/secure/encoding.ts";
import { ROLES, type Role } from "./cert-flags.ts";

const DAY_MS = 86_400_000;

interface ShownCertificate {
  readonly fingerprint: string;
  readonly validTo: string;
  readonly daysLeft: number;
}
interface ShownSlot extends ShownCertificate {
  readonly role: Role;
  readonly slot: Slot;
  readonly isActive: boolean;
  readonly keyHash: string;
  readonly certPub: string;
  readonly key: string;
  readonly hosts: string[];
  readonly delegations: { model_id: string | null; wallet: string; hotkey: string | null; expires_at: string | null }[];
}
interface Shown {
  readonly authority: ShownCertificate | null;
  readonly slots: ShownSlot[];
}

/** Everything but keys. */
export async function printFolder(folder: string, asJson: boolean): Promise<void> {
  const shown = await look(folder);
  if (shown.slots.length === 0)
    throw new Error(`${folder} holds no certificates. Make them with: almanac cert init ${folder}`);
  console.log(asJson ? JSON.stringify(shown, null, 2) : textOf(shown));
}

export async function describeRole(folder: string, role: Role): Promise<string> {
  const { authority, slots } = await look(folder);
  return textOf({ authority, slots: slots.filter((slot) => slot.role === role) });
}

async function look(folder: string): Promise<Shown> {
  const pem = await readFile(join(folder, "ca", "ca.crt")).catch(() => undefined);
  const slots: ShownSlot[] = [];
  for (const role of ROLES) {
    const path = join(folder, role);
    const active = await activeSlot(path);
    if (!active) continue;
    for (const slot of [active, otherSlot(active)]) {
      const identity = await readSlot(path, slot);
      if (identity) slots.push(shownSlot(role, slot, slot === active, identity));
    }
  }
  return { authority: pem ? shownCertificate(new X509Certificate(pem)) : null, slots };
}

const shownCertificate = (certificate: X509Certificate): ShownCertificate => ({
  fingerprint: certificate.fingerprint256,
  validTo: new Date(certificate.validTo).toISOString(),
  daysLeft: Math.floor((Date.parse(certificate.validTo) - Date.now()) / DAY_MS),
});

function shownSlot(role: Role, slot: Slot, isActive: boolean, { leaf, keyHash, proofs }: Identity): ShownSlot {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = leaf.publicKey;
  return {
    role,
    slot,
    isActive,
    ...shownCertificate(leaf),
    keyHash,
    certPub: spkiOf(leaf).toString("base64"),
    key: `${type} ${details?.modulusLength ?? details?.namedCurve ?? ""}`.trim(),
    hosts: leaf.subjectAltName?.split(", ") ?? [],
    delegations: [...proofs].map(([modelId, proof]) => ({
      model_id: modelId || null,
      wallet: proof.wallet,
      ...saidIn(proof.message),
    })),
  };
}

const payload = z.object({ hotkey: z.string().nullish(), expires_at: z.number().nullish() });
function saidIn(message: string): { hotkey: string | null; expires_at: string | null } {
  try {
    const { hotkey, expires_at } = payload.parse(JSON.parse(fromBase64(message).toString("utf8")));
    return { hotkey: hotkey ?? null, expires_at: expires_at ? new Date(expires_at * 1000).toISOString() : null };
  } catch {
    return { hotkey: null, expires_at: null };
  }
}

function textOf({ authority, slots }: Shown): string {
  const lines = authority ? [`authority     ${authority.fingerprint}  ${untilOf(authority)}`] : [];
  for (const it of slots) {
    lines.push("", `${it.role.padEnd(13)} ${it.slot}, ${it.isActive ? "in force" : "not in force"}`);
    lines.push(`  key hash    ${it.keyHash}`, `  fingerprint ${it.fingerprint}`, `  key         ${it.key}`);
    lines.push(`  valid       ${untilOf(it)}`);
    if (it.hosts.length > 0) lines.push(`  for         ${it.hosts.join(", ")}`);
    if (it.delegations.length === 0) lines.push("  delegation  none: nobody vouches for this key");
    for (const { model_id, wallet, hotkey, expires_at } of it.delegations)
      lines.push(
        `  delegation  ${model_id ?? "the coordinator"}, wallet ${wallet}, hotkey ${hotkey ?? "none"}, until ${expires_at ?? "?"}`,
      );
  }
  return lines.join("\n");
}
const untilOf = ({ validTo, daysLeft }: ShownCertificate): string => `until ${validTo} (${daysLeft} days)`;
