import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  type PeerSnapshotContent,
  PythonDouble,
  peerChained,
  peerPair,
  peerPath,
  peerRoot,
  peerSnapshotHash,
  peerTree,
  verifyPeerPath,
} from "../domain/compat/merkle.ts";
import { leafHash, merkleRoot } from "../proofs/merkle.ts";

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const file = z.object({
  cases: z.array(z.object({ name: z.string(), fn: z.string(), input: z.any(), expected: z.any() })),
});
const { cases } = file.parse(JSON.parse(readFileSync(join(folder, "merkle.json"), "utf8")));
const of = (fn: string) => cases.filter((c) => c.fn === fn);

/** Tags tell apart what JSON does not: 1.0 from 1, integers beyond 2^53, NaN. */
function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  const { $float, $int, $num } = value as { $float?: string; $int?: string; $num?: string };
  if ($float !== undefined) return new PythonDouble(Number($float));
  if ($int !== undefined) return BigInt($int);
  if ($num !== undefined) return Number($num);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untag(item)]));
}
interface Snapshot extends PeerSnapshotContent {
  id: string;
}
const snapshotHash = ({ id: _, ...content }: Snapshot): string =>
  peerSnapshotHash(sha256, untag(content) as PeerSnapshotContent);
const byModel = (a: Snapshot, b: Snapshot): number => (a.model_id < b.model_id ? -1 : a.model_id > b.model_id ? 1 : 0);

describe("merkle.json, as the peer answers (compat)", () => {
  test("every function of the file is looked at", () => {
    const known = ["canonical_snapshot_hash", "sha256_concat", "build_merkle_tree", "root", "verify_proof"];
    const services = ["MerkleService", "MerkleService.commit_cycle", "MerkleService.commit_checkpoint"];
    expect([...new Set(cases.map((c) => c.fn))].filter((fn) => ![...known, ...services].includes(fn))).toEqual([]);
    expect(cases.length).toBeGreaterThan(10);
  });
  test.each(of("canonical_snapshot_hash"))("$name", ({ input, expected }) =>
    expect(snapshotHash(input)).toBe(expected.value.hash),
  );
  test.each(of("sha256_concat"))("$name", ({ input, expected }) =>
    expect(peerPair(sha256, input.left, input.right)).toBe(expected.value),
  );
  test.each(of("build_merkle_tree"))("$name", ({ input, expected: { value } }) => {
    const levels = peerTree(sha256, input.leaves);
    expect(peerRoot(levels)).toBe(value.root);
    expect(levels.flatMap((level, height) => level.map((hash, at) => [height, at, hash]))).toEqual(value.nodes);
    expect(input.leaves.map((_: string, i: number) => peerPath(levels, i))).toEqual(value.proofs);
  });
  test.each(of("verify_proof"))("$name", ({ input, expected }) =>
    expect(verifyPeerPath(sha256, input.leaf, input.proof, input.root)).toBe(expected.value),
  );
  test.each(of("root"))("$name; ours tells the two apart", ({ input, expected }) => {
    expect(peerRoot(peerTree(sha256, input.leaves_a))).toBe(expected.value.root_a);
    expect(peerRoot(peerTree(sha256, input.leaves_b))).toBe(expected.value.root_b);
    const ours = (leaves: string[]) =>
      merkleRoot(
        sha256,
        leaves.map((leaf) => leafHash(sha256, Buffer.from(leaf, "hex"))),
      );
    expect(ours(input.leaves_a)).not.toEqual(ours(input.leaves_b));
  });
  test.each(of("MerkleService"))("$name: chain, checkpoint and paths", ({ input, expected: { value } }) => {
    let previous: string | null = null;
    const chained = input.cycles.map(({ snapshots }: { snapshots: Snapshot[] }, i: number) => {
      const leaves = snapshots.toSorted(byModel).map(snapshotHash);
      const levels = peerTree(sha256, leaves);
      const root = peerRoot(levels)!;
      const cycle = value.cycles[i];
      expect([cycle.snapshots_root, cycle.previous_cycle_root, cycle.snapshot_count]).toEqual([
        root,
        previous,
        leaves.length,
      ]);
      previous = peerChained(sha256, previous, root);
      expect(cycle.chained_root).toBe(previous);
      for (const { id } of snapshots) {
        const proof = value.proofs[id];
        const path = peerPath(levels, leaves.indexOf(proof.snapshot_content_hash)); // found by hash: of equal ones the first
        expect(proof.path).toEqual(path);
        expect(verifyPeerPath(sha256, proof.snapshot_content_hash, path, root)).toBe(
          proof.verifies_against_snapshots_root,
        );
        expect(verifyPeerPath(sha256, proof.snapshot_content_hash, path, previous)).toBe(
          proof.verifies_against_cycle_root,
        );
      }
      return previous;
    });
    expect(peerRoot(peerTree(sha256, chained))).toBe(value.checkpoint_merkle_root);
  });
  test("nothing has no root", () => {
    expect(of("MerkleService.commit_cycle").map((c) => c.expected.value)).toEqual(
      of("MerkleService.commit_cycle").map(({ input }) =>
        peerRoot(peerTree(sha256, input.snapshots.map(snapshotHash))),
      ),
    );
    expect(
      of("MerkleService.commit_checkpoint").every((c) => c.expected.value === peerRoot(peerTree(sha256, []))),
    ).toBe(true);
  });
});
