import type { ScoreMatrix } from "../matrix.ts";
import type { Ranker } from "../ranks.ts";

/** In a rank table: this model did not answer this round. */
export const ABSENT = -0x8000_0000;

/** Centred doubled ranks of every model's answers among its own rounds, models × rounds. */
export class RankTable {
  readonly rounds: number;
  readonly ranks: Int32Array;
  /** per model: sum of squared ranks; 0: constant */
  readonly squares: Float64Array;
  /** per model: rounds it answered */
  readonly counts: Uint32Array;
  /** per model: equal numbers mean the same rounds answered */
  readonly presence: Uint32Array;

  constructor(matrix: ScoreMatrix, ranker: Ranker) {
    const models = matrix.modelIds.length;
    this.rounds = matrix.roundIds.length;
    this.ranks = new Int32Array(models * this.rounds);
    this.squares = new Float64Array(models);
    this.counts = new Uint32Array(models);
    this.presence = new Uint32Array(models);
    const own = new Float64Array(this.rounds);
    const ranked = new Float64Array(this.rounds);
    const groups = new Map<string, number>();
    for (let m = 0; m < models; m++) {
      const n = this.#gather(matrix.predicted, m, own);
      this.squares[m] = ranker.rank(own, n, ranked);
      this.#spread(m, n, ranked);
      this.counts[m] = n;
      const key = this.#presenceKey(m, n);
      if (!groups.has(key)) groups.set(key, groups.size);
      this.presence[m] = groups.get(key)!;
    }
  }

  /** Collects the answers that are there and marks the others. */
  #gather(predicted: Float64Array, m: number, own: Float64Array): number {
    const start = m * this.rounds;
    let n = 0;
    for (let r = 0; r < this.rounds; r++) {
      const x = predicted[start + r]!;
      if (Number.isNaN(x)) this.ranks[start + r] = ABSENT;
      else own[n++] = x;
    }
    return n;
  }

  #spread(m: number, n: number, ranked: Float64Array): void {
    const row = this.row(m);
    if (n === this.rounds) row.set(ranked);
    else for (let r = 0, i = 0; r < this.rounds; r++) if (row[r] !== ABSENT) row[r] = ranked[i++]!;
  }

  /** The set of answered rounds as text, 16 a character. */
  #presenceKey(m: number, n: number): string {
    if (n === this.rounds) return "all";
    const bits = new Uint16Array(Math.ceil(this.rounds / 16));
    this.row(m).forEach((rank, r) => {
      if (rank !== ABSENT) bits[r >> 4]! |= 1 << (r & 15);
    });
    return Array.from(bits, (b) => String.fromCharCode(b)).join("");
  }

  row(m: number): Int32Array {
    return this.ranks.subarray(m * this.rounds, (m + 1) * this.rounds);
  }
}
