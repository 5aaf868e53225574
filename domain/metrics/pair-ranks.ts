import { ABSENT, type RankTable } from "./rank-table.ts";

/**
 * Turns ranks within a whole into ranks within a part, in place, by counting instead of sorting: centred doubled ranks of a whole of `whole` values are
 * whole numbers, at least 2 apart where they differ. Returns the sum of squares; 0: the part is constant.
 */
export function ranksWithinPart(x: Int32Array, n: number, whole: number, buckets: Int32Array): number {
  buckets.fill(0, 0, whole + 1);
  for (let i = 0; i < n; i++) buckets[(x[i]! + whole) >> 1]!++;
  let squares = 0;
  let before = 0;
  for (let k = 0; before < n; k++) {
    const count = buckets[k]!;
    if (count === 0) continue;
    const centred = 2 * before + count - n;
    squares += centred * centred * count;
    before += count;
    buckets[k] = centred;
  }
  for (let i = 0; i < n; i++) x[i] = buckets[(x[i]! + whole) >> 1]!;
  return squares;
}

/** How two models compare over the rounds both answered. */
export interface PairResult {
  common: number;
  /** Spearman's correlation over the common rounds, ranked anew; 0 with fewer than two or where one side is constant */
  exact: number;
  /** the same with each model's ranks among all its own rounds, a gap counting as the middle rank */
  approximate: number;
}

/** Compares rows of a rank table; buffers are reused. */
export class PairRanks {
  readonly #table: RankTable;
  readonly #a: Int32Array;
  readonly #b: Int32Array;
  readonly #buckets: Int32Array;

  constructor(table: RankTable) {
    this.#table = table;
    this.#a = new Int32Array(table.rounds);
    this.#b = new Int32Array(table.rounds);
    this.#buckets = new Int32Array(table.rounds + 1);
  }

  compare(m: number, o: number): PairResult {
    const table = this.#table;
    const common = this.#gather(table.row(m), table.row(o));
    const approximate = ratio(product(this.#a, this.#b, common), table.squares[m]!, table.squares[o]!);
    if (common === table.counts[m] && common === table.counts[o]) return { common, exact: approximate, approximate };
    if (common < 2) return { common, exact: 0, approximate };
    const a = ranksWithinPart(this.#a, common, table.counts[m]!, this.#buckets);
    const b = ranksWithinPart(this.#b, common, table.counts[o]!, this.#buckets);
    return { common, exact: ratio(product(this.#a, this.#b, common), a, b), approximate };
  }

  #gather(rowM: Int32Array, rowO: Int32Array): number {
    const a = this.#a;
    const b = this.#b;
    let n = 0;
    for (let r = 0; r < rowM.length; r++) {
      const x = rowM[r]!;
      const y = rowO[r]!;
      if (x === ABSENT || y === ABSENT) continue;
      a[n] = x;
      b[n++] = y;
    }
    return n;
  }
}

function product(a: Int32Array, b: Int32Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[i]! * b[i]!;
  return sum;
}

const ratio = (products: number, aSquares: number, bSquares: number): number =>
  aSquares === 0 || bSquares === 0 ? 0 : products / Math.sqrt(aSquares * bSquares);
