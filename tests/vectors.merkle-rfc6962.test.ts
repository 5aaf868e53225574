import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../proofs/hash.ts";
import {
  consistencyPath,
  inclusionPath,
  leafHash,
  merkleRoot,
  verifyConsistency,
  verifyInclusion,
} from "../proofs/merkle.ts";

interface TreeCase {
  name: string;
  fn: "rfc6962";
  input: { leaves: string[] };
  expected: {
    value: {
      root: string;
      leaf_hashes: string[];
      inclusion: { index: number; path: string[] }[];
      consistency: { first: number; first_root: string; path: string[] }[];
    };
  };
}
interface ProofCase {
  name: string;
  fn: "verify_inclusion";
  input: { index: number; size: number; leaf_hash: string; path: string[]; root: string };
  expected: { value: boolean };
}

interface GrowthCase {
  name: string;
  fn: "verify_consistency";
  input: { first: number; second: number; path: string[]; first_root: string; second_root: string };
  expected: { value: boolean };
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "merkle-rfc6962.json"), "utf8")) as {
  cases: (TreeCase | ProofCase | GrowthCase)[];
};
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
const trees = cases.filter((c) => c.fn === "rfc6962");
const proofs = cases.filter((c) => c.fn === "verify_inclusion");
const growths = cases.filter((c) => c.fn === "verify_consistency");

describe("RFC 9162 tree vectors", () => {
  test("the file holds trees and proofs, and nothing else", () => {
    expect(Math.min(trees.length, proofs.length, growths.length)).toBeGreaterThan(5);
    expect(trees.length + proofs.length + growths.length).toBe(cases.length);
  });
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
    for (const { first, first_root, path } of expected.value.consistency) {
      expect(consistencyPath(sha256, leaves, first).map(toHex)).toEqual(path);
      const growth = {
        first,
        second: leaves.length,
        path: path.map(fromHex),
        firstRoot: fromHex(first_root),
        secondRoot: root,
      };
      expect(toHex(merkleRoot(sha256, leaves.slice(0, first)))).toBe(first_root);
      expect(verifyConsistency(sha256, growth)).toBe(true);
      expect(verifyConsistency(sha256, { ...growth, firstRoot: sha256(root) })).toBe(false);
    }
  });
  test.each(proofs)("$name", ({ input, expected }) => {
    const { index, size, leaf_hash, path, root } = input;
    const proof = { index, size, leafHash: fromHex(leaf_hash), path: path.map(fromHex), root: fromHex(root) };
    expect(verifyInclusion(sha256, proof)).toBe(expected.value);
  });
  test.each(growths)("$name", ({ input, expected }) => {
    const { first, second, path, first_root, second_root } = input;
    const roots = { firstRoot: fromHex(first_root), secondRoot: fromHex(second_root) };
    expect(verifyConsistency(sha256, { first, second, path: path.map(fromHex), ...roots })).toBe(expected.value);
  });
  test("a leaf that is not there is refused", () => {
    expect(() => inclusionPath(sha256, [], 0)).toThrow("no leaf 0 in a tree of 0");
    expect(() => consistencyPath(sha256, [], 0)).toThrow("no tree of 0 leaves begins one of 0");
    expect(() => fromHex("abc")).toThrow("not hex");
  });
});
