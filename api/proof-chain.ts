import { hash } from "node:crypto";
import type { z } from "zod";
import { type LogEntry, leafHashesOfLog, logEntryAt } from "../db/checkpoint-log.ts";
import { type CycleRow, cycleById, cyclesOfPeriod, snapshotHashesOf } from "../db/cycles.ts";
import type { Database } from "../db/database.ts";
import type { SnapshotProofRow } from "../db/snapshot-proofs.ts";
import { cycleId } from "../domain/ids.ts";
import { cycleRecord, snapshotRecord } from "../proofs/from-rows.ts";
import { fromHex, type Hash, toHex } from "../proofs/hash.ts";
import { inclusionPath } from "../proofs/merkle.ts";
import { type CheckpointRecord, splitHashes } from "../proofs/records.ts";
import type { ProofStep, snapshotProof } from "./contract/proofs.ts";
import { conflict, notFound } from "./problem.ts";

export const sha256: Hash = (bytes) => hash("sha256", bytes, "buffer");

type Chain = z.infer<typeof snapshotProof>;
type Place = Pick<ProofStep, "leaf" | "tree" | "root">;

/**
 * A step as the stored hashes give it. Nothing is checked here: that is for whoever gets it, and a row that was changed shows there.
 */
export function stepOf(place: Place, leaves: readonly string[], index: number): ProofStep {
  const path = inclusionPath(sha256, leaves.map(fromHex), index).map(toHex);
  return { ...place, index, size: leaves.length, leaf_hash: leaves[index]!, path };
}

/** From a snapshot up to the log, as far as the period is sealed. */
export async function chainOf(db: Database, snapshot: SnapshotProofRow): Promise<Chain> {
  if (snapshot.leaf_hashes === null || snapshot.scores_root === null)
    throw notFound(`${snapshot.id} was made before snapshots had proofs`);
  const cycle = await cycleById(db, cycleId(snapshot.window_end.getTime()));
  if (!cycle) throw notFound(`the cycle of ${snapshot.id} is not stored`);
  const siblings = await snapshotHashesOf(db, snapshot.window_end);
  if (siblings.length !== cycle.snapshot_count)
    throw notFound(
      `${cycle.id} held ${cycle.snapshot_count} snapshots, and ${siblings.length} are stored: see the bundle`,
    );
  const index = siblings.findIndex((s) => s.id === snapshot.id);
  const place = { leaf: "snapshot", tree: "cycle", root: cycle.snapshots_root } as const;
  const inCycle = stepOf(
    place,
    siblings.map((s) => s.content_hash),
    index,
  );
  const entry = await logEntryAt(db, snapshot.window_end);
  const scores = splitHashes(snapshot.leaf_hashes).length;
  return {
    snapshot: {
      record: plain(snapshotRecord({ ...snapshot, scores_root: snapshot.scores_root, scores })),
      hash: snapshot.content_hash,
    },
    cycle: { record: plain(cycleRecord(cycle)), hash: cycle.chained_root },
    checkpoint: entry ? { record: entry.record_jsonb, hash: entry.leaf_hash } : null,
    steps: [inCycle, ...(entry ? [await cycleStep(db, entry, cycle), await logStep(db, entry)] : [])],
    log: entry ? placeOf(entry) : null,
  };
}

async function cycleStep(db: Database, entry: LogEntry, cycle: CycleRow): Promise<ProofStep> {
  const record = recordOf(entry);
  const cycles = await cyclesOf(db, entry);
  const index = cycles.findIndex((c) => c.id === cycle.id);
  if (index < 0) throw conflict(`${record.id} does not hold ${cycle.id}`);
  return stepOf(
    { leaf: "cycle", tree: "checkpoint", root: record.root },
    cycles.map((c) => c.chained_root),
    index,
  );
}

/** In the log as it was when the checkpoint was appended: what comes later changes nothing of it. */
export const logStep = async (db: Database, entry: LogEntry): Promise<ProofStep> =>
  stepOf(
    { leaf: "checkpoint", tree: "log", root: entry.tree_root },
    await leafHashesOfLog(db, entry.idx + 1),
    entry.idx,
  );

export const cyclesOf = (db: Database, entry: LogEntry): Promise<CycleRow[]> => {
  const { period_start, period_end } = recordOf(entry);
  return cyclesOfPeriod(db, { start: new Date(period_start), end: new Date(period_end) });
};

export const placeOf = ({ idx, tree_root: root, note }: LogEntry) => ({ index: idx, size: idx + 1, root, note });

const recordOf = (entry: LogEntry): CheckpointRecord => entry.record_jsonb as unknown as CheckpointRecord;

/** A record as the contract's plain object. */
export const plain = (record: object): Record<string, unknown> => ({ ...record });
