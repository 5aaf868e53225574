import type { SealedRule } from "../domain/emission/rule.ts";
import { canonicalBytes, canonicalText } from "./canonical.ts";
import { type Hash, toHex } from "./hash.ts";

/**
 * What is hashed between a prediction and the chain. Each record is plain JSON, and its hash is the RFC 9162 leaf hash of its RFC 8785 text:
 * sha256(0x00 ‖ text). Hashes stand as lower-case hex, times as ISO text with milliseconds and Z. A record names what lies below it by hash,
 * so whoever holds a checkpoint's root holds everything under it.
 */
export interface RoundRecord {
  type: "round/1";
  id: string;
  scope_key: string;
  scope: unknown;
  due_at: string;
  resolve_at: string;
  /** the contract that the round began under */
  contract_hash: string;
  /** null: it had no input */
  input_hash: string | null;
  truth: unknown;
  truth_evidence: unknown;
}

export interface ScoreRecord {
  type: "score/1";
  /** hash of the round's record */
  round: string;
  model_id: string;
  deployment_id: string;
  prediction: SaidPrediction;
  scorer_hash: string;
  score: {
    /** null: counts in no mean */
    value: number | null;
    success: boolean;
    failed_reason: string | null;
    result: unknown;
  };
}

/** What the model did: its stored output (status PENDING), or FAILED, TIMEOUT or ABSENT with its public reason. */
export interface SaidPrediction {
  status: string;
  reason: string | null;
  output: unknown;
}

export interface SnapshotRecord {
  type: "snapshot/1";
  id: string;
  model_id: string;
  period_start: string;
  period_end: string;
  /** 0: the first */
  revision: number;
  /** id of the snapshot that it corrects */
  supersedes: string | null;
  prediction_count: number;
  result_summary: unknown;
  /** tree over the hashes of all scores that it holds, in order of (due time, round id) */
  scores_root: string;
  /** how many leaves that tree has */
  scores: number;
}

/** One scoring window. */
export interface CycleRecord {
  type: "cycle/1";
  id: string;
  window_start: string;
  window_end: string;
  /** tree over the hashes of the snapshots that the window committed, in order of their ids */
  snapshots_root: string;
  snapshots: number;
  /** hash of the cycle before; null: the first */
  previous: string | null;
}

export interface CheckpointRecord {
  type: "checkpoint/1";
  id: string;
  crunch: string;
  period_start: string;
  period_end: string;
  /** tree over the hashes of the cycles whose windows end in (period_start, period_end], in that order */
  root: string;
  cycles: number;
  snapshots: number;
  /** of the contracts that the period's rounds name, sorted */
  contract_hashes: readonly string[];
  ranking_hash: string;
  /** of CheckpointTerms: how the ranking became the emission, and whose wallets it names */
  terms_hash: string;
  emission_hash: string;
}

/** What a checkpoint was sealed by, beside the ranking: whoever holds both and the snapshots computes the emission again. */
export interface CheckpointTerms {
  /** field of the snapshots' summaries that ranked */
  field: string;
  direction: "asc" | "desc";
  rule: SealedRule;
  recipients: readonly { cruncher_id: string; name: string; address: string; cruncher_index: number; frac64: number }[];
}

export type ProofRecord = RoundRecord | ScoreRecord | SnapshotRecord | CycleRecord | CheckpointRecord;

/** Leaf hash of a record. Throws CanonicalError where it holds what JSON cannot say. */
export const recordHash = (hash: Hash, record: ProofRecord): Uint8Array =>
  hash(UTF8.encode(`\0${canonicalText(record)}`)); // leafHash of the bytes, without a copy of them
const UTF8 = new TextEncoder();
export const recordHex = (hash: Hash, record: ProofRecord): string => toHex(recordHash(hash, record));

/** SHA-256 of a value's canonical text, hex: a checkpoint's ranking table, its terms and its emission. */
export const valueHash = (hash: Hash, value: unknown): string => toHex(hash(canonicalBytes(value)));

/** One order everywhere, whatever the database's collation: by UTF-16 code units. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of a snapshot's scores. */
export const inScoreOrder = (a: ScorePosition, b: ScorePosition): number =>
  a.due_ms - b.due_ms || byText(a.round_id, b.round_id);
interface ScorePosition {
  /** epoch ms */
  due_ms: number;
  round_id: string;
}

/** Leaf hashes (32 bytes each) laid end to end, as `snapshots.leaf_hashes` keeps them. */
export function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(hashes.length * HASH_BYTES);
  hashes.forEach((hash, i) => {
    joined.set(hash, i * HASH_BYTES);
  });
  return joined;
}

/** Throws RangeError where the bytes are no whole number of hashes. */
export function splitHashes(joined: Uint8Array): Uint8Array[] {
  if (joined.length % HASH_BYTES !== 0) throw new RangeError(`${joined.length} bytes are no list of hashes`);
  return Array.from({ length: joined.length / HASH_BYTES }, (_, i) =>
    joined.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}
const HASH_BYTES = 32;
