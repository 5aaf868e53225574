import { Random } from "../random.ts";
import type { Blocks } from "./blocks.ts";

/** Sums of one model's scores (or of two models' differences) in each block, and how many there are. */
export interface BlockSums {
  sums: Float64Array;
  counts: Float64Array;
}

/** How often each block is drawn in each resample: as many draws as the ring has blocks, ring by ring, with replacement. Every model gets the same draws. */
export class Resampling {
  readonly size: number;
  readonly #blocks: Blocks;
  readonly #times: Uint8Array;

  constructor(blocks: Blocks, size: number, seed: string) {
    this.size = size;
    this.#blocks = blocks;
    this.#times = drawAll(blocks, size, new Random(seed));
  }

  /** Adds up one row of the matrix, or the differences of two over the rounds that both have. */
  blockSums(value: Float64Array, rounds: number, row: number, minus?: number): BlockSums {
    const { from, to } = this.#blocks;
    const sums = new Float64Array(from.length);
    const counts = new Float64Array(from.length);
    const start = row * rounds;
    const other = minus === undefined ? -1 : minus * rounds;
    for (let b = 0; b < from.length; b++)
      for (let r = from[b]!; r < to[b]!; r++) {
        const x = other < 0 ? value[start + r]! : value[start + r]! - value[other + r]!;
        if (Number.isNaN(x)) continue;
        sums[b]! += x;
        counts[b]!++;
      }
    return { sums, counts };
  }

  /** The value that ranks (windows' means, weighted), in every resample; NaN: a window was empty in it. */
  values({ sums, counts }: BlockSums): Float64Array {
    const { rings, weights, from } = this.#blocks;
    const values = new Float64Array(this.size);
    for (let s = 0; s < this.size; s++) {
      let sum = 0;
      let count = 0;
      for (let j = 0; j + 1 < rings.length; j++) {
        const end = rings[j + 1]!;
        for (let b = rings[j]!, at = s * from.length + b; b < end; b++, at++) {
          const times = this.#times[at]!;
          sum += times * sums[b]!;
          count += times * counts[b]!;
        }
        values[s]! += weights[j]! * (sum / count);
      }
    }
    return values;
  }
}

function drawAll({ from, rings }: Blocks, size: number, random: Random): Uint8Array {
  const blocks = from.length;
  const times = new Uint8Array(size * blocks);
  for (let s = 0; s < size; s++)
    for (let j = 0; j + 1 < rings.length; j++) {
      const first = rings[j]!;
      const count = rings[j + 1]! - first;
      for (let draw = 0; draw < count; draw++) times[s * blocks + first + random.below(count)]!++;
    }
  return times;
}
