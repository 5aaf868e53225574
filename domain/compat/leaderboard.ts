import { isPythonNumber, pythonFloat, pythonMean } from "./python.ts";

/** Boards and summaries as the public crunch-node 0.1.101 makes them, faults included; docs/vectors.md lists what ours do instead. */
export interface PeerAggregation {
  /** name → hours */
  windows: ReadonlyMap<string, number>;
  valueField: string;
  rankingKey: string;
  /** "desc"; every other word means ascending */
  rankingDirection: string;
}
export interface PeerSnapshot {
  modelId: string;
  /** µs since 1970: its borders tell microseconds apart */
  periodEndUs: number;
  summary: Readonly<Record<string, unknown>>;
}
export interface PeerBoardRow {
  modelId: string;
  rank: number;
  metrics: ReadonlyMap<string, number>;
  rankingValue: number;
}

const HOUR_US = 3_600_000_000;
const meanOrZero = (values: readonly number[]): number => (values.length > 0 ? pythonMean(values) : 0);

/** Mean per window of what is not older; both ends count, and so does the future. Empty: 0. */
export function peerWindowMeans(
  windows: ReadonlyMap<string, number>,
  nowUs: number,
  values: readonly { atUs: number; value: number }[],
): Map<string, number> {
  return new Map(
    [...windows].map(([name, hours]) => [
      name,
      meanOrZero(values.filter((v) => v.atUs >= nowUs - hours * HOUR_US).map((v) => v.value)),
    ]),
  );
}

/** LeaderboardService.rebuild: snapshots count the same whatever they hold, an empty window is 0, ties stand in the order in which models first came. Throws where the peer raises. */
export function peerBoard(
  snapshots: readonly PeerSnapshot[],
  aggregation: PeerAggregation,
  nowUs: number,
): PeerBoardRow[] {
  const rows = [...Map.groupBy(snapshots, (s) => s.modelId)].map(([modelId, own]) => {
    const metrics = peerMetricsOf(own, aggregation, nowUs);
    return { modelId, rank: 0, metrics, rankingValue: metrics.get(aggregation.rankingKey) ?? 0 };
  });
  const factor = aggregation.rankingDirection === "desc" ? -1 : 1;
  rows.sort((a, b) => (a.rankingValue === b.rankingValue ? 0 : factor * (a.rankingValue - b.rankingValue)));
  return rows.map((row, i) => ({ ...row, rank: i + 1 }));
}

/** Windows' means, and beside them the numbers of the latest snapshot. */
function peerMetricsOf(
  own: readonly PeerSnapshot[],
  { windows, valueField }: PeerAggregation,
  nowUs: number,
): Map<string, number> {
  const values =
    windows.size === 0 ? [] : own.map((s) => ({ atUs: s.periodEndUs, value: fieldOrThrow(s, valueField) }));
  const metrics = peerWindowMeans(windows, nowUs, values);
  const latest = own.reduce((a, b) => (b.periodEndUs > a.periodEndUs ? b : a));
  for (const [name, value] of Object.entries(latest.summary)) {
    const number = value === null ? undefined : pythonFloat(value);
    if (number !== undefined && !metrics.has(name)) metrics.set(name, number);
  }
  return metrics;
}

function fieldOrThrow({ summary }: PeerSnapshot, field: string): number {
  const number = pythonFloat(Object.hasOwn(summary, field) ? summary[field] : 0);
  if (number === undefined) throw new TypeError(`${field} is no number: ${JSON.stringify(summary[field])}`);
  return number;
}

/** default_aggregate_snapshot: mean of every field that is a number anywhere (booleans are), of failed scores, too; other fields: the last that is not null. */
export function peerSummary(results: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const names = new Set(results.flatMap((r) => Object.keys(r)));
  const fields = [...names].map((name) => {
    const values = results.map((r) => r[name]).filter((v) => v !== undefined && v !== null);
    const numbers = values.filter(isPythonNumber);
    return [name, numbers.length > 0 ? pythonMean(numbers.map(Number)) : values.at(-1)] as const;
  });
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** Recent, steady and anchor of one parameter (asset, horizon, step); null: the window is not full yet. */
export type CondorScores = readonly [number | null, number | null, number | null];
export interface CondorRow {
  rank: number;
  modelId: string;
  scores: CondorScores;
}

/** The Condor game's board: means over the parameters, null where any is; highest anchor first, then steady, then recent, where a 0 counts as missing. */
export function condorBoard(models: readonly { modelId: string; scores: readonly CondorScores[] }[]): CondorRow[] {
  const rows = models.map(({ modelId, scores }) => ({
    modelId,
    scores: [0, 1, 2].map((i) => meanOrNull(scores.map((s) => s[i]!))) as unknown as CondorScores,
  }));
  const key = ({ scores: [recent, steady, anchor] }: { scores: CondorScores }): number[] => [
    anchor ?? Number.NEGATIVE_INFINITY,
    steady || Number.NEGATIVE_INFINITY,
    recent || Number.NEGATIVE_INFINITY,
  ];
  rows.sort((a, b) => firstDifference(key(b), key(a)));
  return rows.map((row, i) => ({ rank: i + 1, ...row }));
}

const meanOrNull = (values: readonly (number | null)[]): number | null =>
  values.length === 0 || values.includes(null) ? null : pythonMean(values as number[]);

function firstDifference(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((x, at) => x !== b[at]);
  return i < 0 ? 0 : a[i]! > b[i]! ? 1 : -1;
}
