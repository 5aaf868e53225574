import { ensembleModelId } from "../ensembles.ts";
import type { MetricField } from "./field.ts";

/** A share of the weights below this is rounding. */
const ROUNDING = 1e-12;

/**
 * Per round the weighted sum of the first ensemble's members who answered, from which one member can be taken out again. The sums carry their rounding error
 * along (Knuth's two-sum), so that what is left without a member is exact to the last bit and equal answers of the others stay equal: a plain difference
 * would break ties at random.
 */
export class EnsembleSums {
  readonly #predicted: Float64Array;
  readonly #rounds: number;
  /** per round: the weights by matrix row that held */
  readonly #held: readonly Float64Array[];
  readonly #weights: Float64Array;
  readonly #products: Float64Array;
  readonly #errors: Float64Array;

  constructor(field: MetricField) {
    this.#predicted = field.matrix.predicted;
    this.#rounds = field.rounds;
    this.#held = memberWeights(field);
    this.#weights = new Float64Array(field.rounds);
    this.#products = new Float64Array(field.rounds);
    this.#errors = new Float64Array(field.rounds);
    for (let m = 0; m < field.real; m++) this.#add(m);
  }

  #add(row: number): void {
    const start = row * this.#rounds;
    for (let r = 0; r < this.#rounds; r++) {
      const weight = this.#held[r]![row]!;
      const said = this.#predicted[start + r]!;
      if (weight === 0 || Number.isNaN(said)) continue;
      const product = weight * said;
      const before = this.#products[r]!;
      const sum = before + product;
      this.#errors[r]! += twoSumError(before, product, sum);
      this.#products[r] = sum;
      this.#weights[r]! += weight;
    }
  }

  /**
   * Writes what the ensemble says without this member in each of the columns; NaN where nobody else answered, and where there is no ensemble.
   * False: it is a member in none of them.
   */
  without(row: number, columns: Uint32Array, n: number, out: Float64Array): boolean {
    const start = row * this.#rounds;
    let takesPart = false;
    for (let i = 0; i < n; i++) {
      const r = columns[i]!;
      const said = this.#predicted[start + r]!;
      const weight = Number.isNaN(said) ? 0 : this.#held[r]![row]!;
      const left = this.#weights[r]! - weight;
      if (weight > 0) takesPart = true;
      if (left <= ROUNDING * this.#weights[r]!) {
        out[i] = Number.NaN;
        continue;
      }
      const before = this.#products[r]!;
      const product = weight === 0 ? 0 : -weight * said;
      const sum = before + product;
      out[i] = (sum + (this.#errors[r]! + twoSumError(before, product, sum))) / left;
    }
    return takesPart;
  }
}

/** What rounding took from a + b = sum. */
function twoSumError(a: number, b: number, sum: number): number {
  const shadow = sum - a;
  return a - (sum - shadow) + (b - shadow);
}

function memberWeights({ matrix, models, real, ensembles, firstEnsemble }: MetricField): Float64Array[] {
  const id = matrix.modelIds[firstEnsemble];
  const epochs = ensembles.find((e) => ensembleModelId(e.name) === id)?.epochs ?? [];
  const none = new Float64Array(models);
  const equal = new Float64Array(models).fill(1, 0, real);
  return Array.from(matrix.dueMs, (dueMs) =>
    epochs.length === 0 ? equal : (epochs.findLast((e) => e.fromDueMs <= dueMs)?.weights ?? none),
  );
}
