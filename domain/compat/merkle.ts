import type { Hash } from "../../proofs/hash.ts";

/**
 * Snapshots' hashes, trees and the chain of cycles as the public crunch-node 0.1.101 makes them, faults included: pairs are hashed as hex texts, nothing
 * tells a leaf from a node, and an odd last hash is paired with itself, so that different lists may have one root. A view; nothing relies on it.
 */
export interface PeerStep {
  hash: string;
  position: string;
}
export interface PeerSnapshotContent {
  model_id: string;
  period_start: string;
  period_end: string;
  prediction_count: number | bigint;
  result_summary: unknown;
}

/** A number that Python holds as a float although it is whole: written 1.0. */
export class PythonDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** canonical_snapshot_hash: SHA-256, as hex, of the sorted compact JSON that Python writes. */
export const peerSnapshotHash = (hash: Hash, snapshot: PeerSnapshotContent): string =>
  textHash(hash, pythonJson(snapshot));

export interface PeerSnapshotRow {
  id: string;
  model_id: string;
  period_start: Date;
  period_end: Date;
  prediction_count: number;
  /** as JSON gives it back: whole numbers are ints */
  result_summary: unknown;
}
/** The leaves of a cycle, by model; `rows` in any order. */
export const peerLeaves = (hash: Hash, rows: readonly PeerSnapshotRow[]): { id: string; hash: string }[] =>
  rows
    .toSorted((a, b) => byCodePoint(a.model_id, b.model_id) || byCodePoint(a.id, b.id))
    .map(({ id, period_start, period_end, ...content }) => ({
      id,
      hash: peerSnapshotHash(hash, {
        ...{ model_id: content.model_id, prediction_count: content.prediction_count },
        ...{ period_start: pythonIso(period_start), period_end: pythonIso(period_end) },
        result_summary: content.result_summary,
      }),
    }));

/** sha256_concat: of two hex texts, not of what they stand for. */
export const peerPair = (hash: Hash, left: string, right: string): string => textHash(hash, left + right);

/** build_merkle_tree: levels from the leaves up; none for no leaves. */
export function peerTree(hash: Hash, leaves: readonly string[]): string[][] {
  const levels = leaves.length > 0 ? [[...leaves]] : [];
  for (let below = levels[0]; below !== undefined && below.length > 1; below = levels.at(-1)!) {
    const { length } = below;
    const pairs = below.filter((_, i) => i % 2 === 0);
    levels.push(pairs.map((left, i) => peerPair(hash, left, below[Math.min(2 * i + 1, length - 1)]!)));
  }
  return levels;
}

export const peerRoot = (levels: readonly (readonly string[])[]): string | null => levels.at(-1)?.[0] ?? null;

/** generate_proof: from the sibling of leaf `index` to below the root. */
export const peerPath = (levels: readonly (readonly string[])[], index: number): PeerStep[] =>
  levels.slice(0, -1).map((level, height) => {
    const at = Math.floor(index / 2 ** height);
    return at % 2 === 1
      ? { hash: level[at - 1]!, position: "left" }
      : { hash: level[Math.min(at + 1, level.length - 1)]!, position: "right" };
  });

/** verify_proof: every side but "right" counts as left. */
export const verifyPeerPath = (hash: Hash, leaf: string, path: readonly PeerStep[], root: string): boolean =>
  path.reduce(
    (at, step) => (step.position === "right" ? peerPair(hash, at, step.hash) : peerPair(hash, step.hash, at)),
    leaf,
  ) === root;

/** A cycle's root chained to the cycle before; the first one is its own. */
export const peerChained = (hash: Hash, previous: string | null, root: string): string =>
  previous === null ? root : peerPair(hash, previous, root);

/** isoformat() of a UTC time. */
function pythonIso(date: Date): string {
  const text = date.toISOString().slice(0, -1);
  return `${text.endsWith(".000") ? text.slice(0, -4) : `${text}000`}+00:00`;
}

const textHash = (hash: Hash, text: string): string =>
  Array.from(hash(new TextEncoder().encode(text)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** json.dumps with sorted keys, no spaces, ASCII only. A whole number is an int unless it is a PythonDouble. */
function pythonJson(value: unknown): string {
  if (value instanceof PythonDouble) return pythonRepr(value.value);
  if (typeof value === "number")
    return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value).toString() : pythonRepr(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return pythonText(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => byCodePoint(a, b));
  return `{${entries.map(([key, item]) => `${pythonText(key)}:${pythonJson(item)}`).join(",")}}`;
}

const pythonText = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** repr of a float: the shortest digits, with an exponent below 1e-4 and from 1e16 on. */
function pythonRepr(x: number): string {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "Infinity" : "-Infinity";
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  const [mantissa, exponent] = Math.abs(x).toExponential().split("e") as [string, string];
  const [digits, power] = [mantissa.replace(".", ""), Number(exponent)];
  if (power < -4 || power >= 16) {
    const width = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${mantissa}e${power < 0 ? "-" : "+"}${width}`;
  }
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${digits.slice(power + 1) || "0"}`;
}

/** As Python compares texts; UTF-16 puts surrogates before U+E000. */
function byCodePoint(a: string, b: string): number {
  const [as, bs] = [[...a], [...b]];
  for (let i = 0; i < Math.min(as.length, bs.length); i++) {
    const difference = as[i]!.codePointAt(0)! - bs[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return as.length - bs.length;
}
