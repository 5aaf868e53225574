import { isEnsembleModel } from "../ensembles.ts";
import type { ScoreMatrix } from "../matrix.ts";
import { METRIC_NAMES, type MetricName } from "../metrics/registry.ts";
import { Ranker } from "../ranks.ts";
import {
  actualReturn,
  type PeerContext,
  type PeerPrediction,
  type PeerScore,
  predictedNumbers,
  scoreValue,
} from "./lists.ts";
import { pythonMean, pythonSquare } from "./python.ts";

/**
 * The eleven metrics as the public crunch-node 0.1.101 gives them, faults included: lists are paired by their places, ties get distinct ranks in the order of
 * the list, missing numbers count as 0. For contracts that say so; docs/vectors.md lists what ours answer instead.
 */
interface Lists {
  mine: readonly number[];
  actual: readonly number[];
  value: readonly number[];
  modelId: string;
  /** numbers of the models that are no ensembles, in the order given */
  models: ReadonlyMap<string, readonly number[]>;
  /** in the order given */
  ensembles: readonly (readonly number[])[];
}

/** One metric; throws where the peer raises (a null output, the square of a huge loss). */
export function peerMetric(
  name: MetricName,
  predictions: readonly PeerPrediction[],
  scores: readonly PeerScore[],
  context: PeerContext,
): number {
  const readsPredictions = name !== "max_drawdown";
  const readsActual = !["model_correlation", "max_drawdown", "turnover", "ensemble_correlation"].includes(name);
  return PEER_METRICS[name]({
    mine: readsPredictions ? predictedNumbers(predictions) : [],
    actual: readsActual ? scores.map(actualReturn) : [],
    value: name === "max_drawdown" ? scores.flatMap(scoreValue) : [],
    modelId: context.modelId,
    models: new Map(
      [...context.models].filter(([id]) => !isEnsembleModel(id)).map(([id, p]) => [id, predictedNumbers(p)]),
    ),
    ensembles: [...context.ensembles.values()].map(predictedNumbers),
  });
}

/** MetricsRegistry.compute: unknown names are left out, and a metric that raises is 0. */
export function peerCompute(
  names: readonly string[],
  predictions: readonly PeerPrediction[],
  scores: readonly PeerScore[],
  context: PeerContext,
): Record<string, number> {
  const known = METRIC_NAMES.filter((name) => names.includes(name));
  return Object.fromEntries(known.map((name) => [name, orZero(() => peerMetric(name, predictions, scores, context))]));
}

function orZero(compute: () => number): number {
  try {
    return compute();
  } catch {
    return 0;
  }
}

/** The peer's metrics of every model of a matrix: its lists hold what is there, in order, and know of no rounds. */
export function peerMetricsOf(names: readonly string[], matrix: ScoreMatrix): Map<string, Record<string, number>> {
  const wanted = METRIC_NAMES.filter((name) => names.includes(name));
  const lists = new Map(matrix.modelIds.map((id, m) => [id, modelLists(matrix, m)]));
  const said = new Map([...lists].map(([id, l]) => [id, l.mine]));
  const models = new Map([...said].filter(([id]) => !isEnsembleModel(id)));
  const ensembles = [...said].filter(([id]) => isEnsembleModel(id)).map(([, list]) => list);
  return new Map(
    [...lists].map(([modelId, own]) => {
      const all: Lists = { ...own, modelId, models, ensembles };
      return [modelId, Object.fromEntries(wanted.map((name) => [name, orZero(() => PEER_METRICS[name](all))]))];
    }),
  );
}

function modelLists(
  { actual, predicted, value, roundIds }: ScoreMatrix,
  m: number,
): Pick<Lists, "mine" | "actual" | "value"> {
  const start = m * roundIds.length;
  const columns = [...actual.keys()].filter((r) => !Number.isNaN(predicted[start + r]!));
  return {
    mine: columns.map((r) => predicted[start + r]!),
    actual: columns.map((r) => (Number.isNaN(actual[r]!) ? 0 : actual[r]!)),
    value: [...actual.keys()].map((r) => value[start + r]!).filter((x) => !Number.isNaN(x)),
  };
}

/** Ranks of whole lists: each is compared with every other. */
const wholeRanks = new WeakMap<readonly number[], Float64Array>();

/** Distinct ranks of the first n, centred: equal values in the order of the list. */
function listRanks(x: readonly number[], n: number): Float64Array {
  const cached = n === x.length ? wholeRanks.get(x) : undefined;
  if (cached) return cached;
  const order = new Ranker(n).order(Float64Array.from(n === x.length ? x : x.slice(0, n)), n);
  const ranks = new Float64Array(n);
  for (let rank = 0; rank < n; rank++) ranks[order[rank]!] = rank - (n - 1) / 2;
  if (n === x.length) wholeRanks.set(x, ranks);
  return ranks;
}

function listSpearman(x: readonly number[], y: readonly number[]): number {
  const n = Math.min(x.length, y.length);
  if (n < 2) return 0;
  const a = listRanks(x, n);
  const b = listRanks(y, n);
  let products = 0;
  for (let i = 0; i < n; i++) products += a[i]! * b[i]!;
  return products / ((n * (n * n - 1)) / 12); // distinct ranks all have this sum of squares
}

const FLAT = 1e-12;

function deviation(x: readonly number[]): number {
  const mean = pythonMean(x);
  return Math.sqrt(pythonMean(x.map((v) => pythonSquare(v - mean))));
}

const side = (x: number): number => (x >= 0 ? 1 : -1);
const pairs = (l: Lists): number => Math.min(l.mine.length, l.actual.length);
const signedReturns = (l: Lists): number[] => l.actual.slice(0, pairs(l)).map((a, i) => side(l.mine[i]!) * a);

function icSharpe({ mine, actual }: Lists): number {
  const n = Math.min(mine.length, actual.length);
  if (n < 4) return 0;
  const length = Math.max(2, Math.floor(n / Math.max(3, Math.floor(n / 10))));
  const chunks = Array.from({ length: Math.floor(n / length) }, (_, k) =>
    listSpearman(mine.slice(k * length, (k + 1) * length), actual.slice(k * length, (k + 1) * length)),
  );
  if (chunks.length < 2) return 0;
  const mean = pythonMean(chunks);
  const spread = deviation(chunks);
  if (spread < FLAT) return Math.abs(mean) > FLAT ? 10 : 0;
  return mean / spread;
}

function sortino(l: Lists): number {
  const returns = signedReturns(l);
  if (returns.length < 2) return 0;
  const mean = pythonMean(returns);
  const losses = returns.filter((r) => r < 0);
  if (losses.length === 0) return mean === 0 ? 0 : Math.min(10, Math.max(-10, mean * 1e6));
  const downside = Math.sqrt(pythonMean(losses.map(pythonSquare)));
  return downside < FLAT ? 0 : mean / downside;
}

function maxDrawdown({ value }: Lists): number {
  if (value.length < 2) return 0;
  let cumulated = 0;
  let peak = 0;
  let deepest = 0;
  for (const v of value) {
    cumulated += v;
    if (cumulated > peak) peak = cumulated;
    if (cumulated - peak < deepest) deepest = cumulated - peak;
  }
  return deepest;
}

const others = (l: Lists): (readonly number[])[] => [...l.models].filter(([id]) => id !== l.modelId).map(([, x]) => x);

function modelCorrelation(l: Lists): number {
  const correlations =
    l.mine.length < 2
      ? []
      : others(l)
          .filter((x) => x.length >= 2)
          .map((x) => listSpearman(l.mine, x));
  return correlations.length > 0 ? pythonMean(correlations) : 0;
}

/** Each place's mean adds up shares of 1/N, and a list that ended counts as 0. */
function placeMeans(models: ReadonlyMap<string, readonly number[]>): number[] {
  const everybody = [...models.values()];
  const means = new Array<number>(Math.max(0, ...everybody.map((x) => x.length))).fill(0);
  for (const x of everybody) for (let i = 0; i < x.length; i++) means[i]! += x[i]! / everybody.length;
  return means;
}
const knownMeans = new WeakMap<ReadonlyMap<string, readonly number[]>, readonly number[]>();

function featureNeutral(l: Lists): number {
  if (l.models.size < 2) return listSpearman(l.mine, l.actual);
  const means = knownMeans.get(l.models) ?? placeMeans(l.models);
  knownMeans.set(l.models, means);
  return listSpearman(
    l.mine.slice(0, pairs(l)).map((own, i) => own - (means[i] ?? 0)),
    l.actual,
  );
}

function contribution(l: Lists): number {
  const rest = others(l);
  const ensemble = l.ensembles[0] ?? [];
  if (!l.models.has(l.modelId) || rest.length === 0) return 0;
  const n = Math.min(l.mine.length, ensemble.length);
  if (n < 2) return 0;
  const without = new Array<number>(n).fill(0);
  for (const x of rest) for (let i = 0; i < n; i++) without[i]! += (x[i] ?? 0) / rest.length;
  return listSpearman(ensemble.slice(0, n), l.actual) - listSpearman(without, l.actual);
}

const PEER_METRICS: Record<MetricName, (lists: Lists) => number> = {
  ic: (l) => listSpearman(l.mine, l.actual),
  ic_sharpe: icSharpe,
  mean_return: (l) => (pairs(l) > 0 ? pythonMean(signedReturns(l)) : 0),
  hit_rate: (l) => {
    const n = pairs(l);
    return n > 0 ? l.mine.slice(0, n).filter((p, i) => side(p) === side(l.actual[i]!)).length / n : 0;
  },
  model_correlation: modelCorrelation,
  max_drawdown: maxDrawdown,
  sortino_ratio: sortino,
  turnover: ({ mine }) => (mine.length < 2 ? 0 : pythonMean(mine.slice(1).map((x, i) => Math.abs(x - mine[i]!)))),
  fnc: featureNeutral,
  ensemble_correlation: (l) => listSpearman(l.mine, l.ensembles.find((e) => e.length >= 2) ?? []),
  contribution,
};
