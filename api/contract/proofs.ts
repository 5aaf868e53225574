import { z } from "zod";
import { isoTime, jsonObject, limitParameter, strictQuery, textParameter, timeParameter } from "./common.ts";

const hash = z.string().meta({ description: "32 bytes, hex" });

/** What is hashed (proofs/records.ts): the leaf hash of its RFC 8785 text is `hash`. */
const record = z.object({ record: jsonObject, hash });

/** Leaf `index` of a tree of `size` leaves (RFC 9162), and the way from it to the root. */
const step = z.object({
  leaf: z.enum(["score", "snapshot", "cycle", "checkpoint"]),
  tree: z.enum(["snapshot", "cycle", "checkpoint", "log"]),
  index: z.number().int(),
  size: z.number().int(),
  leaf_hash: hash,
  path: z.array(hash),
  root: hash,
});
export type ProofStep = z.infer<typeof step>;

const logPlace = z.object({
  index: z.number().int(),
  /** of the log when this checkpoint was appended */
  size: z.number().int(),
  root: hash,
  /** null: not signed yet */
  note: z.string().nullable(),
});

/** From a score or a snapshot up to the log, as far as it goes yet. */
const chain = {
  snapshot: record,
  cycle: record,
  checkpoint: record.nullable(),
  steps: z.array(step),
  log: logPlace.nullable(),
};
export const snapshotProof = z.object(chain);
export const scoreProof = z.object({ round: record, score: record, ...chain });

export const checkpointProofs = z.object({
  ...record.shape,
  log: logPlace,
  /** from the checkpoint to the log's root */
  step,
  cycles: z.array(
    z.object({ id: z.string(), window_start: isoTime, window_end: isoTime, snapshots: z.number().int(), hash }),
  ),
  /** of the asked snapshot; absent: none was asked for */
  proof: snapshotProof.optional(),
});
export const checkpointProofsQuery = strictQuery({ snapshot_id: textParameter(300).optional() });
export const recordId = z.object({ id: textParameter(400) });

export const logHead = z.object({ size: z.number().int(), root: hash, checkpoint_id: z.string(), note: z.string() });
const logSize = z.coerce.number({ error: "a size of the log, from 1" }).int().min(1);
export const consistencyQuery = strictQuery({ from: logSize, to: logSize.optional() });
export const consistency = z.object({
  from: z.number().int(),
  to: z.number().int(),
  from_root: hash,
  to_root: hash,
  path: z.array(hash),
});

// As the public node has them.
export const peerCycle = z.object({
  id: z.string(),
  previous_cycle_id: z.string().nullable(),
  previous_cycle_root: hash.nullable(),
  snapshots_root: hash,
  chained_root: hash,
  snapshot_count: z.number().int(),
  created_at: isoTime,
});
export const peerCyclesQuery = z.object({
  since: timeParameter.optional(),
  until: timeParameter.optional(),
  limit: limitParameter(50, 500),
});
export const peerProof = z.object({
  snapshot_content_hash: hash,
  cycle_id: z.string(),
  cycle_root: hash,
  checkpoint_id: z.string().nullable(),
  merkle_root: hash.nullable(),
  path: z.array(z.object({ hash, position: z.string() })),
});
export const peerProofQuery = z.object({ snapshot_id: textParameter(300) });
