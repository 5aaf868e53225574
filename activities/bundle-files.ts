import { createHash } from "node:crypto";
import { basename } from "node:path";
import { ApplicationFailure } from "@temporalio/common";
import { checkpointLog } from "../db/checkpoint-log.ts";
import type { CheckpointRow } from "../db/checkpoints.ts";
import type { Queryable } from "../db/database.ts";
import {
  committedBy,
  contractBodies,
  cycleRows,
  type EvidencePeriod,
  noteRevisions,
  roundLines,
  snapshotRows,
  supersededRows,
} from "../db/evidence.ts";
import { cycleId } from "../domain/ids.ts";
import { canonicalText } from "../proofs/canonical.ts";
import { cycleRecord, snapshotRecord } from "../proofs/from-rows.ts";
import { fromHex, toHex } from "../proofs/hash.ts";
import { consistencyPath, inclusionPath } from "../proofs/merkle.ts";
import type { CheckpointRecord } from "../proofs/records.ts";
import { splitHashes } from "../proofs/records.ts";
import type { BundleArchive } from "./bundle-archive.ts";
import { type CheckpointMeta, termsOf } from "./seal.ts";
import { sha256 } from "./sha256.ts";

/** Puts everything that a stranger needs to compute a checkpoint again into an archive. `signer`: public key in hex. */
export async function writeEvidence(
  tx: Queryable,
  archive: BundleArchive,
  row: CheckpointRow,
  signer: string,
): Promise<{ crunch: string; rounds: number; snapshots: number }> {
  const log = await logOf(tx, row.id, signer);
  const record = log.record;
  const period = { start: row.period_start, end: row.period_end };
  const meta = row.meta_jsonb as unknown as CheckpointMeta;
  archive.json("checkpoint.json", {
    record,
    ranking: meta.ranking,
    terms: termsOf(meta),
    emission: row.emission_jsonb,
  });
  await contracts(tx, archive, record.contract_hashes);
  archive.json("log.json", log.file);
  const revisions = await noteRevisions(tx, period);
  const rounds = await archive.lines("rounds.ndjson", roundLines(tx, period, revisions));
  const earliest = await superseded(tx, archive, period);
  const snapshots = await archive.lines("snapshots.ndjson", snapshotLines(tx, period));
  await archive.lines(
    "cycles.ndjson",
    (await cycleRows(tx, earliest, period.end)).map((cycle) => canonicalText(cycleRecord(cycle))),
  );
  return { crunch: record.crunch, rounds, snapshots };
}

/** Its place in the log as it was when this checkpoint was appended: later entries change nothing of it. */
async function logOf(tx: Queryable, id: string, signer: string) {
  const entries = await checkpointLog(tx);
  const index = entries.findIndex((entry) => entry.checkpoint_id === id);
  const entry = entries[index];
  if (!entry?.note) throw ApplicationFailure.create({ type: "NotSigned", message: `${id} has no signed note yet` });
  const leaves = entries.slice(0, index + 1).map((each) => fromHex(each.leaf_hash));
  const file = {
    ...{ signer, index, size: index + 1, root: entry.tree_root, note: entry.note },
    inclusion: inclusionPath(sha256, leaves, index).map(toHex),
    consistency: index === 0 ? [] : consistencyPath(sha256, leaves, index).map(toHex),
  };
  return { file, record: entry.record_jsonb as unknown as CheckpointRecord };
}

/** Contracts by hash, each source text once, under a name that tells what it is. */
async function contracts(tx: Queryable, archive: BundleArchive, hashes: readonly string[]): Promise<void> {
  const files = new Map<string, string>();
  const listed = (await contractBodies(tx, hashes)).map(({ hash, body_jsonb }) => {
    const { sources, schedule, callables } = body_jsonb as { sources: Record<string, string> } & Record<
      string,
      unknown
    >;
    const names = Object.entries(sources).map(([path, text]) => {
      const name = `contract/${createHash("sha256").update(text).digest("hex").slice(0, 16)}-${safeName(path)}`;
      files.set(name, text);
      return [path, name];
    });
    return { hash, schedule, callables, sources: Object.fromEntries(names) as Record<string, string> };
  });
  archive.json("contracts.json", listed);
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) archive.text(name, text);
}

const MOST_NAME = 60;
const safeName = (path: string): string =>
  basename(path)
    .replace(/[^\w.-]/g, "_")
    .slice(-MOST_NAME);

/** Returns the end of the first window whose cycle is needed. */
async function superseded(tx: Queryable, archive: BundleArchive, period: EvidencePeriod): Promise<Date> {
  const rows = await supersededRows(tx, period);
  const hashes = new Map<number, { ids: string[]; leaves: Uint8Array[] }>();
  const lines: string[] = [];
  for (const row of rows) {
    const endMs = row.window_end.getTime();
    if (!hashes.has(endMs)) {
      const committed = await committedBy(tx, row.window_end);
      hashes.set(endMs, { ids: committed.map((c) => c.id), leaves: committed.map((c) => fromHex(c.content_hash)) });
    }
    const { ids, leaves } = hashes.get(endMs)!;
    const index = ids.indexOf(row.id);
    const path = inclusionPath(sha256, leaves, index).map(toHex);
    const proof = { cycle: cycleId(endMs), index, size: leaves.length, path };
    lines.push(canonicalText({ record: snapshotRecord(row), proof }));
  }
  await archive.lines("superseded.ndjson", lines);
  const firstMs = Math.min(period.start.getTime() + 1, ...rows.map((row) => row.window_end.getTime()));
  return new Date(firstMs);
}

async function* snapshotLines(tx: Queryable, period: EvidencePeriod): AsyncGenerator<string, void> {
  for await (const row of snapshotRows(tx, period)) {
    const record = snapshotRecord(row);
    yield canonicalText(row.leaves === null ? { record } : { record, leaves: splitHashes(row.leaves).map(toHex) });
  }
}
