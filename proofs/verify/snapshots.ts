import { isEnsembleModel } from "../../domain/ensembles.ts";
import { PeriodMeans } from "../../domain/period-means.ts";
import { mean } from "../../domain/statistics.ts";
import { fromHex, type Hash, toHex } from "../hash.ts";
import { merkleRoot, verifyInclusion } from "../merkle.ts";
import { recordHash, type SnapshotRecord } from "../records.ts";
import { Difference, type Place } from "./difference.ts";
import type { BundleFiles } from "./files.ts";
import type { RoundsRead } from "./rounds.ts";
import { aCount, aHash, aList, anObject, aText, aTime, exactly, same } from "./shape.ts";

const SNAPSHOT_FIELDS = [
  ...["type", "id", "model_id", "period_start", "period_end", "revision", "supersedes", "prediction_count"],
  ...["result_summary", "scores_root", "scores"],
];

/** A snapshot of an earlier period that one of this period corrects, with the way up to the cycle that holds it. */
interface Superseded {
  record: SnapshotRecord;
  leaf: Uint8Array;
  cycle: string;
  index: number;
  size: number;
  path: Uint8Array[];
  place: Place;
}

export interface SnapshotsRead {
  /** hashes in the order of cycles, then ids */
  hashes: Uint8Array[];
  means: PeriodMeans;
  earlier: readonly Superseded[];
  /** scores whose value is that of an earlier version which is gone; only their hashes are left */
  replaced: number;
  /** snapshots whose value is the mean of their scores */
  averaged: number;
}

interface Deps {
  hash: Hash;
  periodStartMs: number;
  /** names as the ranking says them; it is compared as a whole afterwards */
  nameOf: (modelId: string) => { model_name: string; cruncher_id: string; cruncher_name: string };
  /** false: the contract sums up in a way of its own, and its summaries are taken as given */
  isMean: boolean;
}

/** Snapshots of earlier periods that are corrected in this one. */
export async function readSuperseded(files: BundleFiles, hash: Hash): Promise<Superseded[]> {
  const read: Superseded[] = [];
  for await (const { value, line } of files.lines("superseded.ndjson")) {
    const place = { file: "superseded.ndjson", record: `line ${line}` };
    const { record: given, proof } = exactly(place, "", value, ["record", "proof"]);
    const record = snapshotOf(place, given);
    const { cycle, index, size, path } = exactly(place, "proof", proof, ["cycle", "index", "size", "path"]);
    read.push({
      ...{ record, place, leaf: recordHash(hash, record), cycle: aText(place, "proof.cycle", cycle) },
      index: aCount(place, "proof.index", index),
      size: aCount(place, "proof.size", size),
      path: aList(place, "proof.path", path).map((each, i) => fromHex(aHash(place, `proof.path[${i}]`, each))),
    });
  }
  return read;
}

/** Holds each corrected snapshot of an earlier period against the cycle that committed it. */
export function checkSuperseded(hash: Hash, earlier: readonly Superseded[], roots: ReadonlyMap<string, string>): void {
  for (const { place, cycle, leaf, ...proof } of earlier) {
    const root = roots.get(cycle);
    if (root === undefined) throw new Difference(place, "proof.cycle", "a cycle of cycles.ndjson", cycle);
    if (!verifyInclusion(hash, { ...proof, leafHash: leaf, root: fromHex(root) }))
      throw new Difference(place, "proof", `a path to the snapshots of ${cycle}`, "one that leads elsewhere");
  }
}

/** Reads the period's snapshots, and holds each against the scores it says it is made of. */
export async function readSnapshots(
  files: BundleFiles,
  deps: Deps,
  rounds: RoundsRead,
  earlier: readonly Superseded[],
): Promise<SnapshotsRead> {
  const read: SnapshotsRead = { hashes: [], means: new PeriodMeans(), earlier, replaced: 0, averaged: 0 };
  const before = new Map(earlier.map(({ record }) => [record.id, record]));
  /** those that have to be corrected by a later one, with the reason */
  const open = new Map(earlier.map(({ record }) => [record.id, "that a snapshot of the period corrects"]));
  for await (const { value, line } of files.lines("snapshots.ndjson")) {
    const at = { file: "snapshots.ndjson", record: `line ${line}` };
    const entry = exactly(
      at,
      "",
      value,
      Object.hasOwn(anObject(at, "", value), "leaves") ? ["record", "leaves"] : ["record"],
    );
    const record = snapshotOf(at, entry.record);
    const place = { ...at, record: `line ${line} (${record.id})` };
    if (before.has(record.id)) throw new Difference(place, "record.id", "each snapshot once", record.id);
    const { replaced } = read;
    if (record.revision > 0) same(place, "leaves", true, entry.leaves !== undefined);
    checkScores(place, record, entry.leaves, deps, rounds, read);
    read.hashes.push(recordHash(deps.hash, record));
    const superseded = record.supersedes === null ? null : before.get(record.supersedes);
    if (superseded === undefined)
      throw new Difference(place, "record.supersedes", "a snapshot of the bundle", record.supersedes);
    if (record.supersedes !== null) open.delete(record.supersedes);
    if (entry.leaves !== undefined) before.set(record.id, record); // only such ones are corrected within their period
    if (entry.leaves !== undefined && (record.revision === 0 || read.replaced > replaced))
      open.set(record.id, "whose scores are all in the bundle, or that a later one corrects");
    if (!isEnsembleModel(record.model_id)) count(deps, read, record, superseded);
  }
  for (const [id, why] of open)
    throw new Difference({ file: "snapshots.ndjson", record: id }, "", `a snapshot ${why}`, "another");
  settle(rounds);
  return read;
}

function count(deps: Deps, { means }: SnapshotsRead, record: SnapshotRecord, superseded: SnapshotRecord | null): void {
  means.add({
    ...{ model_id: record.model_id, ...deps.nameOf(record.model_id), prediction_count: record.prediction_count },
    result_summary: record.result_summary as Record<string, unknown>,
    of_earlier_period: Date.parse(record.period_end) <= deps.periodStartMs,
    superseded: superseded && {
      prediction_count: superseded.prediction_count,
      result_summary: superseded.result_summary as Record<string, unknown>,
    },
  });
}

function snapshotOf(place: Place, value: unknown): SnapshotRecord {
  const fields = exactly(place, "record", value, SNAPSHOT_FIELDS);
  for (const name of ["id", "model_id"]) aText(place, `record.${name}`, fields[name]);
  for (const name of ["period_start", "period_end"]) aTime(place, `record.${name}`, fields[name]);
  for (const name of ["prediction_count", "scores"]) aCount(place, `record.${name}`, fields[name]);
  aHash(place, "record.scores_root", fields.scores_root);
  anObject(place, "record.result_summary", fields.result_summary);
  if (fields.supersedes !== null) aText(place, "record.supersedes", fields.supersedes);
  return fields as unknown as SnapshotRecord;
}

/** `given`: hashes of its scores where they are not simply all of its model and window. */
function checkScores(
  place: Place,
  record: SnapshotRecord,
  given: unknown,
  { hash, isMean }: Deps,
  { table }: RoundsRead,
  read: SnapshotsRead,
): void {
  const own = table.between(record.model_id, Date.parse(record.period_start), Date.parse(record.period_end));
  const { leaves, known } =
    given === undefined ? { leaves: own.map(table.leaf), known: own } : named(place, given, own, table);
  same(place, "record.scores", leaves.length, record.scores);
  const root = toHex(merkleRoot(hash, leaves));
  if (root !== record.scores_root) throw new Difference(place, "record.scores_root", root, record.scores_root);
  for (const i of known) table.hold(i, record.revision !== 0);
  read.replaced += leaves.length - known.length;
  if (leaves.length > known.length) return; // what is gone cannot be added up; a later revision of it can
  const values = known.map(table.value).filter((value) => value !== null);
  same(place, "record.prediction_count", values.length, record.prediction_count);
  const summary = record.result_summary as Readonly<Record<string, unknown>>;
  if (!isMean || values.length === 0) return;
  same(place, "record.result_summary.value", mean(values), summary.value);
  same(place, "record.result_summary.missed", known.filter((i) => !table.success(i)).length, summary.missed);
  read.averaged++;
}

function named(
  place: Place,
  given: unknown,
  own: readonly number[],
  table: RoundsRead["table"],
): { leaves: Uint8Array[]; known: number[] } {
  const byLeaf = new Map(own.map((i) => [toHex(table.leaf(i)), i]));
  const hexes = aList(place, "leaves", given).map((each, i) => aHash(place, `leaves[${i}]`, each));
  return { leaves: hexes.map(fromHex), known: hexes.flatMap((hex) => byLeaf.get(hex) ?? []) };
}

/** Every score is held by a snapshot, and every doubt has its reason. */
function settle({ table, doubts }: RoundsRead): void {
  for (let i = 0; i < table.length; i++)
    if (!table.isHeld(i))
      throw new Difference(
        { file: "rounds.ndjson", record: `score ${i + 1}` },
        "",
        "a score that a snapshot holds",
        toHex(table.leaf(i)),
      );
  for (const { from, to, difference } of doubts) {
    let late = false;
    for (let i = from; i < to; i++) late ||= table.isInCorrection(i);
    if (!late) throw difference;
  }
}
