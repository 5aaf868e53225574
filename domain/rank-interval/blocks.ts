import type { ScoreMatrix } from "../matrix.ts";

/** Fewer blocks than this say nothing of how much a mean varies. */
const FEWEST_BLOCKS = 6;
const HOUR_MS = 3_600_000;

/** A window that counts, and its weight in the value that ranks. */
export interface CountedWindow {
  hours: number;
  weight: number;
}

/**
 * Columns of a matrix cut into blocks of neighbouring rounds. Windows are nested, so that time falls into rings: the shortest window, what the next adds
 * to it, and so on; each ring is cut by itself, and window k is rings 0..k.
 */
export interface Blocks {
  /** block b is the columns from[b] to to[b], the latter not included */
  from: Uint32Array;
  to: Uint32Array;
  /** blocks of ring j: rings[j] to rings[j + 1] */
  rings: readonly number[];
  /** weight of window k */
  weights: readonly number[];
}

/**
 * Blocks hold whole instants (rounds due together go together) and are about ∛n instants long, the rate that is best for a variance (Künsch 1989; Hall,
 * Horowitz and Jing 1995), but at least `leastInstants`: as many as one horizon spans, because rounds whose horizons overlap are not independent.
 * Null: a ring has fewer than six blocks, too few to say anything.
 */
export function cutBlocks(
  { dueMs }: ScoreMatrix,
  windows: readonly CountedWindow[],
  endMs: number,
  leastInstants: number,
): Blocks | null {
  const nested = windows.toSorted((a, b) => a.hours - b.hours);
  const from: number[] = [];
  const to: number[] = [];
  const rings = [0];
  let behind = dueMs.length;
  for (const { hours } of nested) {
    const first = firstColumn(dueMs, endMs - hours * HOUR_MS);
    const starts = cutRing(instantsBetween(dueMs, first, behind), leastInstants);
    if (starts === null) return null;
    from.push(...starts);
    to.push(...starts.slice(1), ...(starts.length > 0 ? [behind] : []));
    rings.push(from.length);
    behind = Math.min(behind, first);
  }
  return { from: Uint32Array.from(from), to: Uint32Array.from(to), rings, weights: nested.map((w) => w.weight) };
}

function firstColumn(dueMs: Float64Array, fromMs: number): number {
  const found = dueMs.findIndex((ms) => ms >= fromMs);
  return found < 0 ? dueMs.length : found;
}

/** The first column of each instant. */
function instantsBetween(dueMs: Float64Array, first: number, behind: number): number[] {
  const columns: number[] = [];
  for (let r = first; r < behind; r++) if (r === first || dueMs[r] !== dueMs[r - 1]) columns.push(r);
  return columns;
}

/** First columns of blocks of nearly equal numbers of instants. An empty ring has none: the windows on both sides of it hold the same rounds. */
function cutRing(instants: readonly number[], leastInstants: number): number[] | null {
  const n = instants.length;
  if (n === 0) return [];
  const length = Math.max(leastInstants, Math.ceil(Math.cbrt(n)));
  const blocks = Math.floor(n / length);
  if (blocks < FEWEST_BLOCKS) return null;
  return Array.from({ length: blocks }, (_, b) => instants[Math.floor((b * n) / blocks)]!);
}
