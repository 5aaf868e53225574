import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { canonicalText } from "../../proofs/canonical.ts";
import { readTar, tarEnd, tarHeader, tarPadding } from "../../proofs/tar.ts";
import { GZIP_HEADER, openArchive } from "../../proofs/verify/archive.ts";
import { FORMAT } from "../../proofs/verify/files.ts";
import type { VerifyDeps } from "../../proofs/verify/verify.ts";
import { ABOUT, rescore } from "./fixture.ts";
import { sha256, verifySignature } from "./keys.ts";

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The manifest that belongs to these files: what an attacker repairs first. */
export const manifestOf = (files: ReadonlyMap<string, string>): Record<string, unknown> => ({
  ...{
    format: FORMAT,
    ...ABOUT,
    versions: { almanac: "0.1.0" },
  },
  files: [...files].map(([name, text]) => ({ name, sha256: digest(text), bytes: Buffer.byteLength(text) })),
});

/** The archive, not compressed. */
export function tarOf(files: ReadonlyMap<string, string>, manifest: unknown = manifestOf(files)): Buffer {
  const all = [["manifest.json", canonicalText(manifest)], ...files] as [string, string][];
  const parts = all.flatMap(([name, text]) => {
    const bytes = Buffer.from(text);
    return [tarHeader(name, bytes.length), bytes, tarPadding(bytes.length)];
  });
  return Buffer.concat([...parts, tarEnd()]);
}

export function gzipped(tar: Uint8Array): Buffer {
  const packed = gzipSync(tar);
  packed.set(GZIP_HEADER);
  return packed;
}

export const openedGzip = (packed: Uint8Array) =>
  openArchive(new Blob([Uint8Array.from(packed)]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>);

export const filesIn = (tar: Uint8Array) => readTar(pieces(tar));
async function* pieces(tar: Uint8Array) {
  for (let at = 0; at < tar.length; at += 1_000) yield tar.subarray(at, at + 1_000);
}

export const verifyDeps = (deps: Partial<VerifyDeps> = {}): VerifyDeps => ({
  hash: sha256,
  startHash: () => createHash("sha256"),
  verify: verifySignature,
  contract: async () => ({ rescore, isMean: true }),
  ...deps,
});
