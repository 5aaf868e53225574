import { equalBytes, type Hash } from "./hash.ts";

// Merkle tree of RFC 9162 section 2.1 (the tree of RFC 6962): the prefixes keep a node from passing for a leaf.
const LEAF = 0x00;
const NODE = 0x01;

export interface InclusionProof {
  index: number;
  size: number;
  leafHash: Uint8Array;
  /** from the leaf's sibling up to the root */
  path: readonly Uint8Array[];
  root: Uint8Array;
}

export const leafHash = (hash: Hash, data: Uint8Array): Uint8Array => hash(concat(LEAF, data));
const nodeHash = (hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array => hash(concat(NODE, left, right));

/** Root over leaf hashes, in order; the root of no leaves is the hash of nothing. */
export function merkleRoot(hash: Hash, leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hash(new Uint8Array());
  if (leaves.length === 1) return leaves[0]!;
  const split = splitAt(leaves.length);
  return nodeHash(hash, merkleRoot(hash, leaves.slice(0, split)), merkleRoot(hash, leaves.slice(split)));
}

/** Sibling hashes from leaf `index` to the root. Throws RangeError where there is no such leaf. */
export function inclusionPath(hash: Hash, leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
  if (leaves.length === 1) return [];
  const split = splitAt(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...inclusionPath(hash, left, index), merkleRoot(hash, right)]
    : [...inclusionPath(hash, right, index - split), merkleRoot(hash, left)];
}

/** RFC 9162 section 2.1.3.2, step by step. Everything in the proof may come from an attacker; false, never an error. */
export function verifyInclusion(hash: Hash, proof: InclusionProof): boolean {
  const { index, size, path, root } = proof;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let fn = index;
  let sn = size - 1;
  let computed = proof.leafHash;
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      computed = nodeHash(hash, sibling, computed);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      computed = nodeHash(hash, computed, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalBytes(computed, root);
}

// Not >> 1: sizes may pass 2^31.
const half = (n: number): number => Math.floor(n / 2);

/** The largest power of two below `size`. */
function splitAt(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function concat(prefix: number, ...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0));
  out[0] = prefix;
  let at = 1;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
