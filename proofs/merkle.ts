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

/** That the tree of `second` leaves begins with the tree of `first`. */
export interface ConsistencyProof {
  first: number;
  second: number;
  path: readonly Uint8Array[];
  firstRoot: Uint8Array;
  secondRoot: Uint8Array;
}

export function leafHash(hash: Hash, data: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + data.length);
  input[0] = LEAF;
  input.set(data, 1);
  return hash(input);
}

function nodeHash(hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = NODE;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return hash(input);
}

/** A tree that grows by one leaf at a time and holds no more than its roots of full subtrees, one for each bit of its size. */
export function growingTree(hash: Hash): { append(leaf: Uint8Array): void; root(): Uint8Array; size(): number } {
  const full: { root: Uint8Array; leaves: number }[] = [];
  let size = 0;
  return {
    append(leaf) {
      let grown = { root: leaf, leaves: 1 };
      for (let last = full.at(-1); last?.leaves === grown.leaves; last = full.at(-1)) {
        grown = { root: nodeHash(hash, last.root, grown.root), leaves: 2 * grown.leaves };
        full.pop();
      }
      full.push(grown);
      size++;
    },
    root: () =>
      full.length === 0
        ? hash(new Uint8Array())
        : full.map(({ root }) => root).reduceRight((right, left) => nodeHash(hash, left, right)),
    size: () => size,
  };
}

/** Root over leaf hashes, in order; the root of no leaves is the hash of nothing. */
export const merkleRoot = (hash: Hash, leaves: readonly Uint8Array[]): Uint8Array =>
  rangeRoot(hash, leaves, 0, leaves.length);

function rangeRoot(hash: Hash, leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  const tree = growingTree(hash);
  for (let i = from; i < to; i++) tree.append(leaves[i]!);
  return tree.root();
}

/** Sibling hashes from leaf `index` to the root (RFC 9162 section 2.1.3.1). Throws RangeError where there is no such leaf. */
export function inclusionPath(hash: Hash, leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
  const path: Uint8Array[] = [];
  for (let [from, to] = [0, leaves.length]; to - from > 1; ) {
    const split = from + splitAt(to - from);
    const isLeft = index < split;
    path.push(isLeft ? rangeRoot(hash, leaves, split, to) : rangeRoot(hash, leaves, from, split));
    [from, to] = isLeft ? [from, split] : [split, to];
  }
  return path.reverse();
}

/**
 * What shows that the tree over the first `first` of the leaves is a beginning of the tree over all (RFC 9162 section 2.1.4.1). Throws
 * RangeError where `first` is not from 1 to the number of leaves: nothing is to be shown of the empty tree.
 */
export function consistencyPath(hash: Hash, leaves: readonly Uint8Array[], first: number): Uint8Array[] {
  if (!Number.isInteger(first) || first < 1 || first > leaves.length)
    throw new RangeError(`no tree of ${first} leaves begins one of ${leaves.length}`);
  const path: Uint8Array[] = [];
  let [from, to, isWhole] = [0, leaves.length, true];
  while (first !== to) {
    const split = from + splitAt(to - from);
    const isLeft = first <= split;
    path.push(isLeft ? rangeRoot(hash, leaves, split, to) : rangeRoot(hash, leaves, from, split));
    if (!isLeft) isWhole = false;
    [from, to] = isLeft ? [from, split] : [split, to];
  }
  if (!isWhole) path.push(rangeRoot(hash, leaves, from, to));
  return path.reverse();
}

/**
 * Root of the tree without its last leaf, from that leaf's inclusion path: its siblings are the roots of the full subtrees before it, the nearest
 * first. Throws RangeError where there is no leaf before.
 */
export function rootBefore(hash: Hash, lastPath: readonly Uint8Array[]): Uint8Array {
  if (lastPath.length === 0) throw new RangeError("nothing stands before the only leaf");
  return lastPath.reduce((right, left) => nodeHash(hash, left, right));
}

/** RFC 9162 section 2.1.3.2, step by step. Everything in the proof may come from an attacker; false, never an error. */
export function verifyInclusion(hash: Hash, proof: InclusionProof): boolean {
  const { index, size, path, root } = proof;
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([proof.leafHash, root, ...path])) return false;
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

/** RFC 9162 section 2.1.4.2, step by step. Everything in the proof may come from an attacker; false, never an error. */
export function verifyConsistency(hash: Hash, proof: ConsistencyProof): boolean {
  const { first, second, path, firstRoot, secondRoot } = proof;
  if (!isSize(first) || !isSize(second) || first < 1 || first > second) return false;
  if (!areHashes([firstRoot, secondRoot, ...path])) return false;
  if (first === second) return path.length === 0 && equalBytes(firstRoot, secondRoot);
  if (path.length === 0) return false;
  const [start, ...rest] = isPowerOfTwo(first) ? [firstRoot, ...path] : path;
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [fr, sr] = [start!, start!];
  for (const node of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(hash, node, fr), nodeHash(hash, node, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      sr = nodeHash(hash, sr, node);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalBytes(fr, firstRoot) && equalBytes(sr, secondRoot);
}

// Not >> 1: sizes may pass 2^31.
const half = (n: number): number => Math.floor(n / 2);
const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

/** A path has no more steps than a size has bits; a hash of another length would shift the border between left and right. */
const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.length <= MOST_HASHES && hashes.every((hash) => hash instanceof Uint8Array && hash.length === HASH_BYTES);
const MOST_HASHES = 2 * 53 + 2;
const HASH_BYTES = 32;

function isPowerOfTwo(n: number): boolean {
  let rest = n;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

/** The largest power of two below `size`. */
function splitAt(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}
