import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../proofs/hash.ts";
import { inclusionPath, leafHash, merkleRoot, verifyInclusion } from "../proofs/merkle.ts";

interface TreeCase {
  name: string;
  fn: "rfc6962";
  input: { leaves: string[] };
  expected: { value: { root: string; leaf_hashes: string[]; inclusion: { index: number; path: string[] }[] } };
}
interface ProofCase {
  name: string;
  fn: "verify_inclusion";
  input: { index: number; size: number; leaf_hash: string; path: string[]; root: string };
  expected: { value: boolean };
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "merkle-rfc6962.json"), "utf8")) as {
  cases: (TreeCase | ProofCase)[];
};
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
const trees = cases.filter((c) => c.fn === "rfc6962");
const proofs = cases.filter((c) => c.fn === "verify_inclusion");

describe("RFC 9162 tree vectors", () => {
  test("the file holds trees and proofs", () => expect(Math.min(trees.length, proofs.length)).toBeGreaterThan(5));
  test.each(trees)("tree $name", ({ input, expected }) => {
    const leaves = input.leaves.map((leaf) => leafHash(sha256, Buffer.from(leaf, "base64")));
    expect(leaves.map(toHex)).toEqual(expected.value.leaf_hashes);
    const root = merkleRoot(sha256, leaves);
    expect(toHex(root)).toBe(expected.value.root);
    for (const { index, path } of expected.value.inclusion) {
      expect(inclusionPath(sha256, leaves, index).map(toHex)).toEqual(path);
      const proof = { index, size: leaves.length, leafHash: leaves[index]!, path: path.map(fromHex), root };
      expect(verifyInclusion(sha256, proof)).toBe(true);
      expect(verifyInclusion(sha256, { ...proof, root: sha256(root) })).toBe(false);
    }
  });
  test.each(proofs)("$name", ({ input, expected }) => {
    const { index, size, leaf_hash, path, root } = input;
    const proof = { index, size, leafHash: fromHex(leaf_hash), path: path.map(fromHex), root: fromHex(root) };
    expect(verifyInclusion(sha256, proof)).toBe(expected.value);
  });
  test("a leaf that is not there is refused", () => {
    expect(() => inclusionPath(sha256, [], 0)).toThrow("no leaf 0 in a tree of 0");
    expect(() => fromHex("abc")).toThrow("not hex");
  });
});
