import { ensembleModelId, isEnsembleModel } from "../ensembles.ts";
import type { ScoreMatrix } from "../matrix.ts";
import { Ranker, rankCorrelation } from "../ranks.ts";
import { RankTable } from "./rank-table.ts";

/** Members' weights of one ensemble: from the given round on, one weight a matrix row, 0: no member. */
interface WeightEpoch {
  fromDueMs: number;
  weights: Float64Array;
}
export interface EnsembleWeights {
  name: string;
  /** in order of time; empty: every model that is not virtual counts the same */
  epochs: readonly WeightEpoch[];
}

/**
 * What the metrics of one matrix share. Metrics compare a model's answer with what happened, so rounds without a known `actual` are not in here;
 * `scored` still has them, for metrics of the scorer's values.
 */
export class MetricField {
  readonly scored: ScoreMatrix;
  readonly matrix: ScoreMatrix;
  readonly rounds: number;
  readonly models: number;
  /** rows 0..real-1 are models that take part, the rest are ensembles */
  readonly real: number;
  readonly ranker: Ranker;
  readonly ensembles: readonly EnsembleWeights[];
  #ranks: RankTable | undefined;
  #lazy = new Map<string, unknown>();

  /** `ensembles` in the contract's order; the first with two rounds is what members are compared with. */
  constructor(scored: ScoreMatrix, ensembles: readonly EnsembleWeights[] = []) {
    this.scored = scored;
    this.matrix = withKnownActual(scored);
    this.rounds = this.matrix.roundIds.length;
    this.models = scored.modelIds.length;
    this.real = scored.modelIds.filter((id) => !isEnsembleModel(id)).length;
    this.ranker = new Ranker(Math.max(this.rounds, 1));
    this.ensembles = ensembles;
  }

  get ranks(): RankTable {
    this.#ranks ??= new RankTable(this.matrix, this.ranker);
    return this.#ranks;
  }

  /** Centred doubled ranks of what happened. */
  get actualRanks(): Int32Array {
    return this.once("actual ranks", ({ matrix, ranker, rounds }) => {
      const ranks = new Float64Array(rounds);
      ranker.rank(matrix.actual, rounds, ranks);
      return Int32Array.from(ranks);
    });
  }

  /** What one metric computes for all models at once. */
  once<T>(name: string, compute: (field: MetricField) => T): T {
    if (!this.#lazy.has(name)) this.#lazy.set(name, compute(this));
    return this.#lazy.get(name) as T;
  }

  /** Spearman's correlation of the first n values, with average ranks; 0 with fewer than two or where one side is constant. */
  spearman(x: Float64Array, y: Float64Array, n: number): number {
    const [a, b] = this.once("rank buffers", () => [new Float64Array(this.rounds), new Float64Array(this.rounds)]);
    return rankCorrelation(a!, this.ranker.rank(x, n, a!), b!, this.ranker.rank(y, n, b!), n);
  }

  /** The row of the first ensemble that has at least two rounds; -1: none. */
  get firstEnsemble(): number {
    return this.once("first ensemble", () => {
      const named = this.ensembles.map((e) => this.matrix.modelIds.indexOf(ensembleModelId(e.name)));
      const virtual = Array.from({ length: this.models - this.real }, (_, i) => this.real + i);
      return [...named, ...virtual].find((row) => row >= 0 && this.ranks.counts[row]! >= 2) ?? -1;
    });
  }
}

function withKnownActual(matrix: ScoreMatrix): ScoreMatrix {
  const kept = [...matrix.actual.keys()].filter((r) => !Number.isNaN(matrix.actual[r]!));
  const rounds = matrix.roundIds.length;
  if (kept.length === rounds) return matrix;
  const cells = (from: Float64Array): Float64Array => {
    const to = new Float64Array(matrix.modelIds.length * kept.length);
    for (let m = 0, at = 0; m < matrix.modelIds.length; m++) for (const r of kept) to[at++] = from[m * rounds + r]!;
    return to;
  };
  return {
    ...matrix,
    roundIds: kept.map((r) => matrix.roundIds[r]!),
    scopeKeys: kept.map((r) => matrix.scopeKeys[r]!),
    dueMs: Float64Array.from(kept, (r) => matrix.dueMs[r]!),
    actual: Float64Array.from(kept, (r) => matrix.actual[r]!),
    predicted: cells(matrix.predicted),
    value: cells(matrix.value),
  };
}
