import { type Hash, toHex } from "../hash.ts";
import { merkleRoot } from "../merkle.ts";
import { type CheckpointRecord, type CycleRecord, recordHash } from "../records.ts";
import { Difference } from "./difference.ts";
import type { BundleFiles } from "./files.ts";
import { aCount, aHash, aText, aTime, exactly, same } from "./shape.ts";

const FILE = "cycles.ndjson";
const CYCLE_FIELDS = ["type", "id", "window_start", "window_end", "snapshots_root", "snapshots", "previous"];

export interface CyclesRead {
  /** of the period; earlier ones only lead there from what was corrected */
  cycles: number;
  /** hex by id, earlier ones included */
  snapshotRoots: ReadonlyMap<string, string>;
}

/**
 * Holds the period's snapshots against the cycles that committed them, each cycle against the one before it, and all against the checkpoint's
 * root.
 */
export async function checkCycles(
  files: BundleFiles,
  hash: Hash,
  { period_start, period_end, ...checkpoint }: CheckpointRecord,
  snapshots: readonly Uint8Array[],
): Promise<CyclesRead> {
  const snapshotRoots = new Map<string, string>();
  const own: Uint8Array[] = [];
  let [previous, used]: [string | null, number] = [null, 0];
  for await (const { value, line } of files.lines(FILE)) {
    const { record, place } = cycleOf(value, line);
    if (previous !== null) same(place, "previous", previous, record.previous);
    const bytes = recordHash(hash, record);
    previous = toHex(bytes);
    snapshotRoots.set(record.id, record.snapshots_root);
    if (record.window_end > period_end)
      throw new Difference(place, "window_end", `at most ${period_end}`, record.window_end);
    if (record.window_end <= period_start) continue;
    const held = snapshots.slice(used, used + record.snapshots);
    same(place, "snapshots", held.length, record.snapshots);
    same(place, "snapshots_root", toHex(merkleRoot(hash, held)), record.snapshots_root);
    used += record.snapshots;
    own.push(bytes);
  }
  same({ file: "snapshots.ndjson", record: "" }, "lines", used, snapshots.length);
  const place = { file: "checkpoint.json", record: checkpoint.id };
  same(place, "record.cycles", own.length, checkpoint.cycles);
  same(place, "record.snapshots", used, checkpoint.snapshots);
  same(place, "record.root", toHex(merkleRoot(hash, own)), checkpoint.root);
  return { cycles: own.length, snapshotRoots };
}

function cycleOf(value: unknown, line: number): { record: CycleRecord; place: { file: string; record: string } } {
  const at = { file: FILE, record: `line ${line}` };
  const fields = exactly(at, "", value, CYCLE_FIELDS);
  const place = { ...at, record: `line ${line} (${aText(at, "id", fields.id)})` };
  for (const name of ["window_start", "window_end"]) aTime(place, name, fields[name]);
  aHash(place, "snapshots_root", fields.snapshots_root);
  aCount(place, "snapshots", fields.snapshots);
  if (fields.previous !== null) aHash(place, "previous", fields.previous);
  return { record: fields as unknown as CycleRecord, place };
}
