import { fromBase64, toBase64 } from "./base64.ts";
import { equalBytes, type Hash } from "./hash.ts";

/**
 * Signed notes (c2sp.org/signed-note) that hold the head of a log's tree (c2sp.org/tlog-checkpoint). A note that somebody else hands over may hold
 * anything: it is refused in a sentence, never with an error.
 */
export interface TreeHead {
  /** the log's name, which is also its key's */
  origin: string;
  size: number;
  /** 32 bytes */
  root: Uint8Array;
  /** lines behind the three that every log writes */
  extensions: readonly string[];
}
export type Refused = { refused: string };

/** Ed25519 (RFC 8032): handed in, as the hash is. */
export type SignatureCheck = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>;

interface NoteSignature {
  name: string;
  keyId: Uint8Array;
  signature: Uint8Array;
}

const LONGEST_NOTE = 65_536;
const MOST_SIGNATURES = 64;
const ED25519 = 0x01;
const KEY_ID_BYTES = 4;
const ROOT_BYTES = 32;
const UTF8 = new TextEncoder();

/** The text that is signed. Throws TypeError where a line would not be one. */
export function treeHeadText({ origin, size, root, extensions }: TreeHead): string {
  const lines = [origin, String(size), toBase64(root), ...extensions];
  if (!isKeyName(origin) || !Number.isSafeInteger(size) || size < 0 || root.length !== ROOT_BYTES)
    throw new TypeError(`no tree head: ${JSON.stringify(lines)}`);
  if (extensions.some((line) => line === "" || !isPlainLine(line)))
    throw new TypeError(`no extension lines: ${JSON.stringify(extensions)}`);
  return `${lines.join("\n")}\n`;
}

/** What tells a key from others of the same name: the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). */
export function noteKeyId(hash: Hash, name: string, publicKey: Uint8Array): Uint8Array {
  const prefix = UTF8.encode(`${name}\n`);
  const input = new Uint8Array(prefix.length + 1 + publicKey.length);
  input.set(prefix);
  input[prefix.length] = ED25519;
  input.set(publicKey, prefix.length + 1);
  return hash(input).slice(0, KEY_ID_BYTES);
}

/** The bytes that the key signs. */
export const noteBytes = (text: string): Uint8Array => UTF8.encode(text);

/** `text` with one signature line. */
export function signedNote(text: string, { name, keyId, signature }: NoteSignature): string {
  return `${text}\n— ${name} ${toBase64(Uint8Array.of(...keyId, ...signature))}\n`;
}

/** Text and signature lines of a note; nothing of it is true before a signature was checked. */
export function parseNote(note: string): { text: string; signatures: NoteSignature[] } | Refused {
  if (note.length > LONGEST_NOTE) return { refused: `the note is longer than ${LONGEST_NOTE} characters` };
  if (!note.isWellFormed() || !note.split("\n").every(isPlainLine))
    return { refused: "the note holds what is no plain text" };
  const border = note.lastIndexOf("\n\n");
  if (border < 0 || !note.endsWith("\n")) return { refused: "the note has no signature lines" };
  const lines = note.slice(border + 2, -1).split("\n");
  if (lines.length > MOST_SIGNATURES) return { refused: `the note has more than ${MOST_SIGNATURES} signatures` };
  const signatures = lines.map(parseSignature);
  if (signatures.includes(null)) return { refused: "a signature line is malformed" };
  return { text: note.slice(0, border + 1), signatures: signatures as NoteSignature[] };
}

function parseSignature(line: string): NoteSignature | null {
  const [dash, name, encoded, ...more] = line.split(" ");
  if (dash !== "—" || name === undefined || encoded === undefined || more.length > 0 || !isKeyName(name)) return null;
  const bytes = fromBase64(encoded);
  if (bytes === null || bytes.length <= KEY_ID_BYTES) return null;
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}

export function parseTreeHead(text: string): TreeHead | Refused {
  const [origin = "", size = "", root = "", ...rest] = text.split("\n");
  const extensions = rest.slice(0, -1);
  const bytes = fromBase64(root);
  if (rest.at(-1) !== "" || extensions.includes("")) return { refused: "the tree head has an empty line" };
  if (!isKeyName(origin)) return { refused: "the tree head names no log" };
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    return { refused: "the tree head has no size" };
  if (bytes === null || bytes.length !== ROOT_BYTES) return { refused: "the tree head has no root of 32 bytes" };
  return { origin, size: Number(size), root: bytes, extensions };
}

export interface TrustedKey {
  /** as the log is called */
  name: string;
  /** 32 bytes */
  publicKey: Uint8Array;
}

/** The head that the trusted key has signed. Signatures of others are passed over; one of this key that is wrong condemns the note. */
export async function openNote(
  note: string,
  { name, publicKey }: TrustedKey,
  { hash, verify }: { hash: Hash; verify: SignatureCheck },
): Promise<TreeHead | Refused> {
  const parsed = parseNote(note);
  if ("refused" in parsed) return parsed;
  const keyId = noteKeyId(hash, name, publicKey);
  const own = parsed.signatures.filter((s) => s.name === name && equalBytes(s.keyId, keyId));
  if (own.length === 0) return { refused: `the note is not signed by ${name} with the trusted key` };
  for (const { signature } of own)
    if (signature.length !== 64 || !(await verify(publicKey, noteBytes(parsed.text), signature)))
      return { refused: `the signature of ${name} does not belong to this text` };
  const head = parseTreeHead(parsed.text);
  if ("refused" in head || head.origin === name) return head;
  return { refused: `the note is about the log ${head.origin}, not ${name}` };
}

/** Neither Unicode spaces nor plus. */
const isKeyName = (name: string): boolean => name !== "" && isPlainLine(name) && !/[\s+]/u.test(name);
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const isPlainLine = (line: string): boolean => !/[\u0000-\u001f]/.test(line);

/** The newest checkpoint of a log, as extension lines; hashes are hex. */
export interface CheckpointLines {
  checkpoint: string;
  root: string;
  emission: string;
}
/** A crunch's log of checkpoints. */
export const logName = (crunch: string): string => `almanac/${crunch}`;
export const checkpointLines = ({ checkpoint, root, emission }: CheckpointLines): string[] => [
  `checkpoint ${checkpoint}`,
  `root ${root}`,
  `emission ${emission}`,
];

/** What the extension lines say; null where they are others. */
export function checkpointOf({ extensions }: TreeHead): CheckpointLines | null {
  const [checkpoint, root, emission] = ["checkpoint", "root", "emission"].map((word, i) =>
    extensions[i]?.startsWith(`${word} `) ? extensions[i].slice(word.length + 1) : undefined,
  );
  if (extensions.length !== 3 || checkpoint === undefined || root === undefined || emission === undefined) return null;
  return { checkpoint, root, emission };
}
