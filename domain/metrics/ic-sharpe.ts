import type { MetricField } from "./field.ts";
import type { OwnSeries } from "./own-series.ts";

const FLAT = 1e-12;
const STEADY = 10;

/**
 * Steadiness of the information coefficient: its mean over its population standard deviation, over consecutive chunks of about a tenth of at most
 * 100 rounds (`chunkLength`); a tail shorter than a chunk is dropped. Fewer than four rounds or two chunks: 0. Coefficients that never vary: ±10 by
 * their sign, 0 where they are 0.
 */
export function icSharpe(own: OwnSeries, field: MetricField): number {
  const length = chunkLength(own.n);
  const chunks = length > 0 ? Math.floor(own.n / length) : 0;
  if (chunks < 2) return 0;
  const happened = field.once("chunk ranks of actual", () => new ActualChunks(field.rounds));
  happened.rank(own, length, chunks);
  const ranks = own.predictedRanks();
  const said = new Int32Array(length);
  const coefficients = new Float64Array(chunks);
  for (let k = 0; k < chunks; k++) {
    const saidSquares = chunkRanks(ranks, k * length, length, said, 0);
    const happenedSquares = happened.squares[k]!;
    if (saidSquares === 0 || happenedSquares === 0) continue;
    let products = 0;
    for (let i = 0; i < length; i++) products += said[i]! * happened.ranks[k * length + i]!;
    coefficients[k] = products / Math.sqrt(saidSquares * happenedSquares);
  }
  return meanOverDeviation(coefficients);
}

/** c = max(2, ⌊n / max(3, ⌊n / 10⌋)⌋): a third of a short series, ten rounds of a long one. */
const chunkLength = (n: number): number => (n < 4 ? 0 : Math.max(2, Math.floor(n / Math.max(3, Math.floor(n / 10)))));

/** Ranks within each chunk of what happened; models with the same rounds share them. */
class ActualChunks {
  readonly ranks: Int32Array;
  readonly squares: Float64Array;
  #presence = -1;

  constructor(rounds: number) {
    this.ranks = new Int32Array(rounds);
    this.squares = new Float64Array(rounds);
  }

  rank(own: OwnSeries, length: number, chunks: number): void {
    if (this.#presence === own.presence) return;
    this.#presence = own.presence;
    const whole = own.actualRanks().ranks;
    for (let k = 0; k < chunks; k++) this.squares[k] = chunkRanks(whole, k * length, length, this.ranks, k * length);
  }
}

/**
 * Ranks within a chunk from ranks within a whole: centred and doubled, (how many are smaller) − (how many are larger), written to `out` from `at` on.
 * Returns the sum of squares. A chunk has at most 13 rounds, where comparing all pairs without a branch is the fastest.
 */
function chunkRanks(x: Int32Array, start: number, length: number, out: Int32Array, at: number): number {
  let squares = 0;
  for (let i = 0; i < length; i++) {
    const value = x[start + i]!;
    let rank = 0;
    for (let j = 0; j < i; j++) {
      const difference = value - x[start + j]!;
      const sign = (difference >> 31) | (-difference >>> 31);
      rank += sign;
      out[at + j]! -= sign;
    }
    out[at + i] = rank;
  }
  for (let i = 0; i < length; i++) squares += out[at + i]! * out[at + i]!;
  return squares;
}

function meanOverDeviation(x: Float64Array): number {
  let mean = 0;
  for (const value of x) mean += value / x.length;
  let variance = 0;
  for (const value of x) variance += ((value - mean) * (value - mean)) / x.length;
  const deviation = Math.sqrt(variance);
  if (deviation >= FLAT) return mean / deviation;
  return Math.abs(mean) > FLAT ? Math.sign(mean) * STEADY : 0;
}
