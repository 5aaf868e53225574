import type { Transaction } from "kysely";
import { appendToLog, type LogEntry } from "../db/checkpoint-log.ts";
import type { Schema } from "../db/schema.ts";
import { fromHex, toHex } from "../proofs/hash.ts";
import { merkleRoot } from "../proofs/merkle.ts";
import { type CheckpointRecord, recordHex } from "../proofs/records.ts";
import { sha256 } from "./sha256.ts";

/** Appends a sealed checkpoint to the log, in the transaction that seals it; again, it finds the entry. */
export const logCheckpoint = (tx: Transaction<Schema>, record: CheckpointRecord): Promise<LogEntry> =>
  appendToLog(tx, { checkpoint_id: record.id, record, leaf_hash: recordHex(sha256, record) }, logRoot);

/** Root over leaf hashes, all in hex. */
const logRoot = (leafHashes: readonly string[]): string => toHex(merkleRoot(sha256, leafHashes.map(fromHex)));
