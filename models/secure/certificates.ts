import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { PeerCertificate } from "node:tls";
import { z } from "zod";
import { hashOfKey } from "./gateway-token.ts";
import type { WalletProof } from "./wallet-message.ts";

const MIN_RSA_BITS = 2048;
const DELEGATIONS = z.array(
  z.object({
    /** null: the coordinator's own word, which is for no model */
    model_id: z.string().nullable(),
    message: z.string(),
    signature: z.string(),
    wallet: z.string(),
  }),
);

export class CertificateError extends Error {
  override name = "CertificateError";
}

/** The name that a model's runner has a certificate for, and that a coordinator asks for. */
export const serverHostname = (modelId: string): string => `model-node-${modelId}.crunchdao.internal`;

/** SHA-256 in hex of a certificate's public key (SPKI, DER): what is registered on chain. */
export const keyHashOf = (certificate: X509Certificate): string => hashOfKey(spkiOf(certificate));
export const spkiOf = (certificate: X509Certificate): Buffer =>
  certificate.publicKey.export({ type: "spki", format: "der" });

export const hashOfPeer = ({ raw }: PeerCertificate): string => keyHashOf(new X509Certificate(raw));

/** What is too weak about a leaf's key; undefined: nothing. RSA from 2048 bits, P-256 and Ed25519 are taken. */
export function weaknessOf({ publicKey }: X509Certificate): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === "rsa" && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return undefined;
  if (type === "ec" && details?.namedCurve === "prime256v1") return undefined;
  if (type === "ed25519") return undefined;
  const size = details?.modulusLength ?? details?.namedCurve ?? "";
  return `its certificate's key is ${type ?? "unknown"} ${size}; RSA from 2048 bits, P-256 or Ed25519 is needed`;
}

/** One certificate with its key, the CA that the other side must be from, and the wallets' words for it. */
export interface Identity {
  readonly ca: Buffer;
  /** leaf first */
  readonly chain: Buffer;
  readonly key: Buffer;
  readonly leaf: X509Certificate;
  readonly keyHash: string;
  /** by model id; under "" the coordinator's own, which names no model */
  readonly proofs: ReadonlyMap<string, WalletProof>;
}
export const COORDINATOR = "";

/** Everything of an identity whose change matters. */
export const textOfIdentity = ({ ca, chain, proofs }: Identity): string =>
  `${ca}${chain}${JSON.stringify([...proofs])}`;

/** Reads ca.crt, tls.crt, tls.key and, where it is, delegations.json; all of one slot, where the folder has slots. @throws CertificateError that names file and fault */
export async function readIdentity(given: string): Promise<Identity> {
  const folder = await realpath(join(given, "current")).catch(() => given);
  // One after the other: of several that are missing it is always the first that is named.
  const ca = await readPart(folder, "ca.crt");
  const chain = await readPart(folder, "tls.crt");
  const key = await readPart(folder, "tls.key");
  const delegations = await readFile(join(folder, "delegations.json"), "utf8").catch(() => "[]");
  const leaf = parsed(folder, "tls.crt", () => new X509Certificate(chain));
  const privateKey = parsed(folder, "tls.key", () => createPrivateKey(key));
  const root = parsed(folder, "ca.crt", () => new X509Certificate(ca));
  checkPair(folder, leaf, privateKey, root);
  const keyHash = keyHashOf(leaf);
  return { ca, chain, key, leaf, keyHash, proofs: proofsOf(folder, delegations) };
}

const readPart = (folder: string, name: string): Promise<Buffer> =>
  readFile(join(folder, name)).catch((cause: NodeJS.ErrnoException) => {
    throw new CertificateError(
      `${join(folder, name)} cannot be read (${cause.code}). Make certificates with: almanac cert init`,
      { cause },
    );
  });

function parsed<T>(folder: string, name: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new CertificateError(`${join(folder, name)} is not what its name says, in PEM`, { cause });
  }
}

function checkPair(folder: string, leaf: X509Certificate, key: KeyObject, root: X509Certificate): void {
  if (!leaf.checkPrivateKey(key))
    throw new CertificateError(`${join(folder, "tls.key")} is not the key of ${join(folder, "tls.crt")}`);
  const weakness = weaknessOf(leaf);
  if (weakness) throw new CertificateError(`${join(folder, "tls.crt")}: ${weakness}`);
  const now = Date.now();
  for (const [name, certificate] of [
    ["tls.crt", leaf],
    ["ca.crt", root],
  ] as const)
    if (now > Date.parse(certificate.validTo))
      throw new CertificateError(
        `${join(folder, name)} expired at ${new Date(certificate.validTo).toISOString()}. Renew it with: almanac cert rotate`,
      );
}

function proofsOf(folder: string, text: string): Map<string, WalletProof> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null; // the schema's refusal says what was expected
  }
  const found = DELEGATIONS.safeParse(value);
  if (!found.success)
    throw new CertificateError(
      `${join(folder, "delegations.json")}: a list of {model_id, message, signature, wallet} is expected`,
    );
  return new Map(
    found.data.map(({ model_id, message, signature, wallet }) => [
      model_id ?? COORDINATOR,
      { message, signature, wallet },
    ]),
  );
}
