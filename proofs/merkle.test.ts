import { hash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalBytes } from "./hash.ts";
import {
  type ConsistencyProof,
  consistencyPath,
  growingTree,
  type InclusionProof,
  inclusionPath,
  leafHash,
  merkleRoot,
  verifyConsistency,
  verifyInclusion,
} from "./merkle.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => Buffer.from(hash("sha256", bytes, "binary"), "binary");
const leavesOf = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => leafHash(sha256, Uint8Array.of(i >> 16, i >> 8, i)));

/** The definition of RFC 9162 section 2.1.1, word by word. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [rootByDefinition(leaves.slice(0, split)), rootByDefinition(leaves.slice(split))];
  return sha256(Uint8Array.of(1, ...left, ...right));
}

const sizes = fc.integer({ min: 1, max: 70 });
const inclusions = sizes.chain((size) =>
  fc.integer({ min: 0, max: size - 1 }).map((index): InclusionProof => {
    const leaves = leavesOf(size);
    const path = inclusionPath(sha256, leaves, index);
    return { index, size, leafHash: leaves[index]!, path, root: merkleRoot(sha256, leaves) };
  }),
);
const growths = sizes.chain((second) =>
  fc.integer({ min: 1, max: second }).map((first): ConsistencyProof => {
    const leaves = leavesOf(second);
    const roots = { firstRoot: merkleRoot(sha256, leaves.slice(0, first)), secondRoot: merkleRoot(sha256, leaves) };
    return { first, second, path: consistencyPath(sha256, leaves, first), ...roots };
  }),
);

/** What an attacker does to a list of hashes; the list is another one afterwards. */
const forgeries: readonly ((path: readonly Uint8Array[], at: number) => Uint8Array[])[] = [
  (path, at) => path.map((node, i) => (i === at % path.length ? flipped(node, at) : node)),
  (path) => path.slice(1),
  (path) => path.slice(0, -1),
  (path, at) => path.toSpliced(at % (path.length + 1), 0, sha256(Uint8Array.of(at))),
  (path) => [...path, ...path.slice(-1)],
  (path) => path.toReversed(),
  (path, at) => path.map((node, i) => (i === at % path.length ? node.slice(0, 31) : node)),
  (path, at) => path.map((node, i) => (i === at % path.length ? Uint8Array.of(...node, 0) : node)),
];
const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at % bytes.length ? byte ^ 1 : byte));
const isSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((node, i) => equalBytes(node, b[i]!));

describe("trees", () => {
  test("every size up to 70 has the root that the definition gives, also while it grows", () => {
    const tree = growingTree(sha256);
    const leaves = leavesOf(70);
    for (let size = 0; size <= 70; size++) {
      const expected = rootByDefinition(leaves.slice(0, size));
      expect([tree.size(), tree.root(), merkleRoot(sha256, leaves.slice(0, size))]).toEqual([size, expected, expected]);
      if (size < 70) tree.append(leaves[size]!);
    }
  });
  test("the last leaf twice is another tree, and so is a node in the place of its leaves", () => {
    for (let size = 1; size < 70; size++) {
      const leaves = leavesOf(size);
      expect(merkleRoot(sha256, [...leaves, leaves.at(-1)!])).not.toEqual(merkleRoot(sha256, leaves));
    }
    const [a, b, c] = leavesOf(3) as [Uint8Array, Uint8Array, Uint8Array];
    const node = merkleRoot(sha256, [a, b]);
    expect(merkleRoot(sha256, [leafHash(sha256, Uint8Array.of(...a, ...b)), c])).not.toEqual(
      merkleRoot(sha256, [a, b, c]),
    );
    const proof = { index: 0, size: 3, leafHash: node, path: [c], root: merkleRoot(sha256, [a, b, c]) };
    expect(verifyInclusion(sha256, proof)).toBe(false);
  });
});

describe("proofs from an attacker are false, never an error", () => {
  test("inclusion: what is made verifies, and nothing else with the same root", () => {
    fc.assert(
      fc.property(inclusions, fc.nat(), fc.nat(forgeries.length - 1), (proof, at, kind) => {
        expect(verifyInclusion(sha256, proof)).toBe(true);
        const path =
          proof.path.length === 0 && kind !== 3 ? [sha256(Uint8Array.of(at))] : forgeries[kind]!(proof.path, at);
        fc.pre(!isSame(path, proof.path));
        expect(verifyInclusion(sha256, { ...proof, path })).toBe(false);
        expect(verifyInclusion(sha256, { ...proof, leafHash: flipped(proof.leafHash, at) })).toBe(false);
        expect(verifyInclusion(sha256, { ...proof, index: (proof.index + 1) % proof.size })).toBe(proof.size === 1);
      }),
    );
  });
  test("consistency: what is made verifies, and nothing else with the same roots", () => {
    fc.assert(
      fc.property(growths, fc.nat(), fc.nat(forgeries.length - 1), (proof, at, kind) => {
        expect(verifyConsistency(sha256, proof)).toBe(true);
        const path =
          proof.path.length === 0 && kind !== 3 ? [sha256(Uint8Array.of(at))] : forgeries[kind]!(proof.path, at);
        fc.pre(!isSame(path, proof.path));
        expect(verifyConsistency(sha256, { ...proof, path })).toBe(false);
        expect(verifyConsistency(sha256, { ...proof, firstRoot: flipped(proof.firstRoot, at) })).toBe(false);
        expect(verifyConsistency(sha256, { ...proof, secondRoot: flipped(proof.secondRoot, at) })).toBe(false);
        const swapped = { ...proof, first: proof.second, second: proof.first };
        expect(verifyConsistency(sha256, swapped)).toBe(proof.first === proof.second);
      }),
    );
  });
  test("any numbers and any bytes", () => {
    const numbers = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.constantFrom(2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53, -1, 0),
    );
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(numbers, numbers, fc.array(bytes, { maxLength: 120 }), bytes, bytes, (a, b, path, x, y) => {
        expect(verifyInclusion(sha256, { index: a, size: b, leafHash: x, path, root: y })).toBe(false);
        expect(verifyConsistency(sha256, { first: a, second: b, path, firstRoot: x, secondRoot: y })).toBe(false);
      }),
    );
  });
  test("sizes beyond 2^31: a path that is right by hand verifies, with its index shifted it does not", () => {
    const [leaf, side] = leavesOf(2) as [Uint8Array, Uint8Array];
    for (const bits of [32, 40, 52]) {
      const size = 2 ** bits;
      const index = size - 1; // the right-most leaf: every sibling is to the left
      let root = leaf;
      for (let i = 0; i < bits; i++) root = sha256(Uint8Array.of(1, ...side, ...root));
      const proof = { index, size, leafHash: leaf, path: Array.from({ length: bits }, () => side), root };
      expect(verifyInclusion(sha256, proof)).toBe(true);
      expect(verifyInclusion(sha256, { ...proof, index: index - 2 ** 31 })).toBe(false);
      expect(verifyInclusion(sha256, { ...proof, size: size - 2 ** 31, index: index - 2 ** 31 })).toBe(false);
    }
  });
});

test("paths of a large tree are made without copies of it", { timeout: 60_000 }, () => {
  const leaves = leavesOf(50_000);
  const root = merkleRoot(sha256, leaves);
  const path = inclusionPath(sha256, leaves, 12_345);
  expect(verifyInclusion(sha256, { index: 12_345, size: leaves.length, leafHash: leaves[12_345]!, path, root })).toBe(
    true,
  );
  const firstRoot = merkleRoot(sha256, leaves.slice(0, 33_333));
  const growth = { first: 33_333, second: leaves.length, path: consistencyPath(sha256, leaves, 33_333) };
  expect(verifyConsistency(sha256, { ...growth, firstRoot, secondRoot: root })).toBe(true);
});
