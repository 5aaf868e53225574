import { createPublicKey, generateKeyPairSync, hash, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64 } from "./base64.ts";
import { fromHex } from "./hash.ts";
import {
  checkpointLines,
  checkpointOf,
  logName,
  noteBytes,
  noteKeyId,
  openNote,
  parseNote,
  parseTreeHead,
  type SignatureCheck,
  signedNote,
  type TreeHead,
  treeHeadText,
} from "./note.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer");
const SPKI = fromHex("302a300506032b6570032100");
const verifyEd25519: SignatureCheck = (publicKey, message, signature) => {
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
  return verify(null, message, key, signature);
};
const deps = { hash: sha256, verify: verifyEd25519 };

const pair = generateKeyPairSync("ed25519");
const publicKey = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32));
const name = logName("starter");
const LINES = { checkpoint: "CKP_20260105_000000", root: "ab".repeat(32), emission: "cd".repeat(32) };
const HEAD: TreeHead = {
  origin: name,
  size: 7,
  root: new Uint8Array(32).fill(7),
  extensions: checkpointLines(LINES),
};
const text = treeHeadText(HEAD);
const lineOf = (message: string) => ({
  name,
  keyId: noteKeyId(sha256, name, publicKey),
  signature: new Uint8Array(sign(null, noteBytes(message), pair.privateKey)),
});
const note = signedNote(text, lineOf(text));
const open = (given: string) => openNote(given, { name, publicKey }, deps);

describe("a signed log head", () => {
  test("reads as the format says, byte for byte", () => {
    const { keyId, signature } = lineOf(text);
    expect(text).toBe(
      `almanac/starter\n7\n${Buffer.from(HEAD.root).toString("base64")}\ncheckpoint ${LINES.checkpoint}\nroot ${LINES.root}\nemission ${LINES.emission}\n`,
    );
    expect(note).toBe(`${text}\n— almanac/starter ${Buffer.concat([keyId, signature]).toString("base64")}\n`);
    const id = hash("sha256", Buffer.concat([Buffer.from("almanac/starter\n\x01"), publicKey]), "buffer").subarray(
      0,
      4,
    );
    expect(Buffer.from(keyId)).toEqual(id);
  });
  test("opens with the key that signed it, and says what it signed", async () => {
    const head = await open(note);
    expect(head).toEqual(HEAD);
    expect(checkpointOf(head as TreeHead)).toEqual(LINES);
  });
  test("lines of witnesses whom nobody knows are passed over", async () => {
    const witness = `— witness.example/w1 ${toBase64(new Uint8Array(68).fill(9))}\n`;
    expect(await open(note + witness)).toEqual(HEAD);
    expect(await open(`${text}\n${witness}`)).toEqual({
      refused: "the note is not signed by almanac/starter with the trusted key",
    });
  });
  test("a line of the trusted key that is wrong condemns the note, beside a right one, too", async () => {
    const wrong = lineOf(`${text}more`);
    const { keyId, signature } = wrong;
    expect(await open(`${note}— ${name} ${toBase64(Uint8Array.of(...keyId, ...signature))}\n`)).toEqual({
      refused: "the signature of almanac/starter does not belong to this text",
    });
  });
  test("a head of another log that the same key signed is not this log's", async () => {
    const other = treeHeadText({ ...HEAD, origin: "almanac/other" });
    expect(await open(signedNote(other, lineOf(other)))).toEqual({
      refused: "the note is about the log almanac/other, not almanac/starter",
    });
  });
  test("the published example of the format parses", () => {
    // c2sp.org/signed-note
    const example =
      "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    const parsed = parseNote(example);
    if ("refused" in parsed) throw new Error(parsed.refused);
    expect(parsed.text.endsWith("\n\ned è subito sera.\n")).toBe(true);
    expect(parsed.signatures.map((s) => [s.name, s.keyId.length, s.signature.length])).toEqual([
      ["quasimodo.example/salvatore", 4, 64],
    ]);
  });
});

describe("notes from an attacker", () => {
  test("every changed character is refused, and nothing throws", async () => {
    for (let at = 0; at < note.length; at++) {
      const changed = note.slice(0, at) + (note[at] === "A" ? "B" : "A") + note.slice(at + 1);
      expect(await open(changed), changed).toHaveProperty("refused");
    }
  });
  test("no prefix, no repetition and no other text opens", async () => {
    for (let end = 0; end < note.length; end++) expect(await open(note.slice(0, end))).toHaveProperty("refused");
    expect(await open(note + note)).toHaveProperty("refused");
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.nat(note.length), async (inserted, at) => {
        fc.pre(inserted !== "");
        expect(await open(note.slice(0, at) + inserted + note.slice(at))).toHaveProperty("refused");
      }),
    );
  });
  test.each([
    ["nothing", "", "the note has no signature lines"],
    ["a carriage return", note.replace("\n", "\r\n"), "the note holds what is no plain text"],
    ["half a surrogate pair", `\ud800${note}`, "the note holds what is no plain text"],
    ["endless", `${"x".repeat(70_000)}\n\n`, "the note is longer than 65536 characters"],
    ["a name with a plus", note.replace("— almanac/", "— alma+nac/"), "a signature line is malformed"],
    ["a name with a hard space", note.replace("— almanac/", "— alma\u00a0nac/"), "a signature line is malformed"],
    ["many signatures", note + "— w AAAAAAA=\n".repeat(64), "the note has more than 64 signatures"],
    ["other base64", note.replace(/=?\n$/, "!\n"), "a signature line is malformed"],
  ])("%s is refused", async (_, given, refused) => expect(await open(given)).toEqual({ refused }));
  test.each([
    ["07", "the tree head has no size"],
    ["-1", "the tree head has no size"],
    ["9007199254740993", "the tree head has no size"],
    ["1e3", "the tree head has no size"],
  ])("size %s is none", (size, refused) =>
    expect(parseTreeHead(text.replace("\n7\n", `\n${size}\n`))).toEqual({ refused }),
  );
  test("a head whose lines would not stay lines cannot be written", () => {
    expect(() => treeHeadText({ ...HEAD, origin: "a\nb" })).toThrow("no tree head");
    expect(() => treeHeadText({ ...HEAD, origin: "a b" })).toThrow("no tree head");
    expect(() => treeHeadText({ ...HEAD, extensions: ["a\n\n— x y"] })).toThrow("no extension lines");
  });
});
