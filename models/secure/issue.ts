import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import {
  bits,
  contentOf,
  type Der,
  explicit,
  implicit,
  integer,
  NULL,
  objectId,
  octets,
  parts,
  sequence,
  set,
  TRUE,
  text,
  time,
} from "./der.ts";

const generate = promisify(generateKeyPair);
const DAY_MS = 86_400_000;
/** So that a clock that is a little behind takes a fresh certificate. */
const BACKDATE_MS = 300_000;
const EXTENSIONS = 0xa3;
const OID = {
  commonName: "2.5.4.3",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAltName: "2.5.29.17",
  subjectKeyId: "2.5.29.14",
  authorityKeyId: "2.5.29.35",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
};
const SIGNATURE: Record<string, Der> = {
  rsa: sequence(objectId("1.2.840.113549.1.1.11"), NULL),
  ec: sequence(objectId("1.2.840.10045.4.3.2")),
  ed25519: sequence(objectId("1.3.101.112")),
};
/** Keys that certificates are made for; the public peers take RSA only. */
export type KeyKind = "rsa" | "p256" | "ed25519";

/** A certificate and its key, both PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

export interface Wanted {
  readonly name: string;
  /** host names or IP addresses */
  readonly hosts?: readonly string[];
  readonly days: number;
  readonly kind?: KeyKind;
  readonly now?: Date;
}

/** A new authority that signs leaf certificates and nothing else. */
export async function issueAuthority({ name, days, now = new Date() }: Wanted): Promise<Issued> {
  const key = await newKey("rsa");
  const own = nameOf(name);
  const id = keyId(key);
  const extensions = [
    extension(OID.basicConstraints, sequence(TRUE, integer(Buffer.from([0]))), true),
    extension(OID.keyUsage, bits(Buffer.from([0x06]), 1), true), // sign certificates and revocation lists
    extension(OID.subjectKeyId, octets(id)),
  ];
  return issue({ subject: own, issuer: own, key, signer: key, days, now, extensions });
}

/** A leaf for both ends of a connection. */
export async function issueLeaf(authority: Issued, wanted: Wanted): Promise<Issued> {
  const { name, hosts = [], days, kind = "rsa", now = new Date() } = wanted;
  const signer = createPrivateKey(authority.key);
  const root = namesOf(new X509Certificate(authority.certificate));
  const key = await newKey(kind);
  const usage = kind === "rsa" ? [0xa0, 5] : [0x80, 7]; // digitalSignature, and for RSA keyEncipherment
  const extensions = [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, bits(Buffer.from([usage[0]!]), usage[1]), true),
    extension(OID.extendedKeyUsage, sequence(objectId(OID.serverAuth), objectId(OID.clientAuth))),
    extension(OID.subjectKeyId, octets(keyId(key))),
    ...(root.keyId ? [extension(OID.authorityKeyId, sequence(implicit(0, root.keyId)))] : []),
    ...(hosts.length > 0 ? [extension(OID.subjectAltName, sequence(...hosts.map(hostName)))] : []),
  ];
  return issue({ subject: nameOf(name), issuer: root.subject, key, signer, days, now, extensions });
}

function issue(to: {
  subject: Der;
  issuer: Der;
  key: KeyObject;
  signer: KeyObject;
  days: number;
  now: Date;
  extensions: Der[];
}): Issued {
  const algorithm = SIGNATURE[to.signer.asymmetricKeyType ?? ""];
  if (!algorithm) throw new Error(`An authority cannot sign with a key of the kind ${to.signer.asymmetricKeyType}`);
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    algorithm,
    to.issuer,
    sequence(time(new Date(to.now.getTime() - BACKDATE_MS)), time(new Date(to.now.getTime() + to.days * DAY_MS))),
    to.subject,
    spkiOf(to.key),
    explicit(3, sequence(...to.extensions)),
  );
  const signature = sign(to.signer.asymmetricKeyType === "ed25519" ? null : "sha256", body, to.signer);
  return {
    certificate: pem("CERTIFICATE", sequence(body, algorithm, bits(signature))),
    key: to.key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

async function newKey(kind: KeyKind): Promise<KeyObject> {
  if (kind === "rsa") return (await generate("rsa", { modulusLength: 2048 })).privateKey;
  if (kind === "p256") return (await generate("ec", { namedCurve: "P-256" })).privateKey;
  return (await generate("ed25519")).privateKey;
}

const spkiOf = (key: KeyObject): Der => createPublicKey(key).export({ type: "spki", format: "der" });
const keyId = (key: KeyObject): Buffer => createHash("sha256").update(spkiOf(key)).digest().subarray(0, 20);
const nameOf = (common: string): Der => sequence(set(sequence(objectId(OID.commonName), text(common))));

/** What a leaf says of the authority that signed it, byte for byte as the authority says it of itself. */
function namesOf(authority: X509Certificate): { subject: Der; keyId: Buffer | undefined } {
  const [body] = parts(authority.raw);
  const fields = parts(body!);
  const subject = fields[5];
  if (!subject) throw new Error("The authority's certificate is not one of version 3");
  const extensions = fields.find((field) => field[0] === EXTENSIONS);
  const own = extensions && parts(parts(extensions)[0]!).map((it) => parts(it));
  const id = own?.find(([name]) => name?.equals(objectId(OID.subjectKeyId)))?.at(-1);
  return { subject, keyId: id && contentOf(contentOf(id)) };
}

function extension(id: string, value: Der, isCritical = false): Der {
  return sequence(objectId(id), ...(isCritical ? [TRUE] : []), octets(value));
}

function hostName(host: string): Der {
  const family = isIP(host);
  if (family === 4) return implicit(7, Buffer.from(host.split(".").map(Number)));
  if (family === 6) throw new Error(`${host}: IPv6 addresses are not written into certificates; use a host name`);
  return implicit(2, Buffer.from(host, "ascii"));
}

function pem(label: string, der: Der): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
