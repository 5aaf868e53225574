import { rankCorrelation } from "../ranks.ts";
import type { MetricField } from "./field.ts";
import { ranksWithinPart } from "./pair-ranks.ts";

/** One model's answered rounds in time order: index i is the same round in every array; only [0, n) counts. The arrays are reused for the next model. */
export class OwnSeries {
  readonly #field: MetricField;
  row = 0;
  n = 0;
  /** the matrix column of each round */
  readonly columns: Uint32Array;
  readonly predicted: Float64Array;
  readonly actual: Float64Array;
  /** return of who follows the model's sign: sign(predicted) · actual; a prediction of 0 takes no side and earns 0 */
  readonly signedReturns: Float64Array;
  readonly #predictedRanks: Int32Array;
  readonly #actualRanks: Int32Array;
  readonly #buckets: Int32Array;
  #actualSquares = 0;
  #rankedFor = -1;

  constructor(field: MetricField) {
    this.#field = field;
    const rounds = field.rounds;
    this.columns = new Uint32Array(rounds);
    this.predicted = new Float64Array(rounds);
    this.actual = new Float64Array(rounds);
    this.signedReturns = new Float64Array(rounds);
    this.#predictedRanks = new Int32Array(rounds);
    this.#actualRanks = new Int32Array(rounds);
    this.#buckets = new Int32Array(rounds + 1);
  }

  load(row: number): void {
    const { matrix, rounds } = this.#field;
    const { columns, predicted, actual, signedReturns } = this;
    const start = row * rounds;
    let n = 0;
    for (let r = 0; r < rounds; r++) {
      const said = matrix.predicted[start + r]!;
      if (Number.isNaN(said)) continue;
      const happened = matrix.actual[r]!;
      columns[n] = r;
      predicted[n] = said;
      actual[n] = happened;
      signedReturns[n++] = said > 0 ? happened : said < 0 ? -happened : 0;
    }
    this.row = row;
    this.n = n;
  }

  /** Models with equal numbers here answered the same rounds. */
  get presence(): number {
    return this.#field.ranks.presence[this.row]!;
  }

  /** Centred doubled ranks of what the model said. */
  predictedRanks(): Int32Array {
    const row = this.#field.ranks.row(this.row);
    if (this.n === row.length) return row;
    for (let i = 0; i < this.n; i++) this.#predictedRanks[i] = row[this.columns[i]!]!;
    return this.#predictedRanks;
  }

  /** Centred doubled ranks of what happened in the model's rounds; models with the same rounds share them. */
  actualRanks(): { ranks: Int32Array; squares: number } {
    if (this.#rankedFor !== this.presence) {
      const whole = this.#field.actualRanks;
      for (let i = 0; i < this.n; i++) this.#actualRanks[i] = whole[this.columns[i]!]!;
      this.#actualSquares = ranksWithinPart(this.#actualRanks, this.n, this.#field.rounds, this.#buckets);
      this.#rankedFor = this.presence;
    }
    return { ranks: this.#actualRanks, squares: this.#actualSquares };
  }

  /**
   * Information coefficient: Spearman's correlation of what the model said with what happened, with average ranks for ties. 0 with fewer than two rounds,
   * and where either side is constant: who always says the same says nothing.
   */
  informationCoefficient(): number {
    const actual = this.actualRanks();
    const squares = this.#field.ranks.squares[this.row]!;
    return rankCorrelation(this.predictedRanks(), squares, actual.ranks, actual.squares, this.n);
  }
}
