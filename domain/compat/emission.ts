import { pythonFloat, pythonRound, pythonSum } from "./python.ts";

/** Shares as the public crunch-node 0.1.101 makes them, faults included; docs/vectors.md lists what ours do instead. No seal is made by them. */
export interface PeerEntry {
  /** absent: the peer takes its default; null: it raises */
  rank?: unknown;
  result_summary?: Readonly<Record<string, unknown>> | undefined;
}
export interface PeerProviders {
  compute?: string | null | undefined;
  data?: string | null | undefined;
}
interface PeerReward {
  cruncher_index: number;
  /** frac64; may be below 0 */
  reward_pct: number;
}
export interface PeerEmission {
  crunch: string;
  cruncher_rewards: PeerReward[];
  compute_provider_rewards: { provider: string; reward_pct: number }[];
  data_provider_rewards: { provider: string; reward_pct: number }[];
}

const ALL = 1_000_000_000;
const NOTHING = 1e-12;
/** first rank, last rank, percent */
const TIERS = [
  [1, 1, 35],
  [2, 5, 10],
  [6, 10, 5],
] as const;

/** Percent to frac64, halves to even. Throws where the peer raises: NaN and infinities. */
export function peerFrac64(percent: number): bigint {
  if (!Number.isFinite(percent)) throw new RangeError(`cannot convert float ${percent} to integer`);
  return BigInt(pythonRound((percent / 100) * 1e9));
}

/** default_build_emission: by each entry's own rank, so that three first places have more than all there is, and the first entry less than nothing. */
export function peerTierEmission(
  entries: readonly PeerEntry[],
  crunch: string,
  providers: PeerProviders = {},
): PeerEmission {
  const own = entries.map(({ rank }) => tierOf(rank));
  const assigned = pythonSum(own);
  const rest = assigned < 100 && entries.length > 0 ? (100 - assigned) / entries.length : 0;
  return emissionOf(
    own.map((percent) => percent + rest),
    crunch,
    providers,
  );
}

function tierOf(rank: unknown): number {
  if (rank === undefined) return 0;
  const place = numberOrThrow(rank);
  return TIERS.find(([from, to]) => from <= place && place <= to && Number.isInteger(place))?.[2] ?? 0;
}

interface PeerWeights {
  rank?: number | undefined;
  contribution?: number | undefined;
  diversity?: number | undefined;
  minPercent?: number | undefined;
}

/** contribution_weighted_emission: a missing metric is 0, one NaN makes all shares equal, the least share is a percent before all are scaled again. */
export function peerContributionEmission(
  entries: readonly PeerEntry[],
  crunch: string,
  providers: PeerProviders = {},
  weights: PeerWeights = {},
): PeerEmission {
  const { rank = 0.5, contribution = 0.3, diversity = 0.2, minPercent = 1 } = weights;
  const n = entries.length;
  if (n === 0) return noEmission(crunch);
  const contributions = normalised(entries.map((e) => metric(e, "contribution")));
  const diversities = entries.map((e) => 1 - metric(e, "model_correlation"));
  const ranks = normalised(entries.map((e) => inverse(e.rank === undefined ? n : numberOrThrow(e.rank))));
  const different = normalised(diversities);
  const composite = ranks.map((r, i) => rank * r + contribution * contributions[i]! + diversity * different[i]!);
  const total = pythonSum(composite);
  const percents =
    total < NOTHING ? composite.map(() => 100 / n) : composite.map((c) => larger(minPercent, (c / total) * 100));
  const sum = pythonSum(percents);
  return emissionOf(
    percents.map((p) => (p / sum) * 100),
    crunch,
    providers,
  );
}

const noEmission = (crunch: string): PeerEmission => ({
  ...{ crunch, cruncher_rewards: [], compute_provider_rewards: [], data_provider_rewards: [] },
});

/** What rounding leaves over goes to the first entry, or is taken from it. */
function emissionOf(percents: readonly number[], crunch: string, { compute, data }: PeerProviders): PeerEmission {
  const shares = percents.map((percent) => Number(peerFrac64(percent)));
  if (shares.length > 0) shares[0]! += ALL - shares.reduce((a, b) => a + b, 0);
  const provider = (name: string | null | undefined) => (name ? [{ provider: name, reward_pct: ALL }] : []);
  return {
    crunch,
    cruncher_rewards: shares.map((reward_pct, cruncher_index) => ({ cruncher_index, reward_pct })),
    compute_provider_rewards: provider(compute),
    data_provider_rewards: provider(data),
  };
}

function numberOrThrow(x: unknown): number {
  if (typeof x === "number") return x;
  if (typeof x === "boolean") return Number(x);
  throw new TypeError(`a rank of ${String(x)} is no number`);
}

function inverse(rank: number): number {
  if (rank === 0) throw new RangeError("float division by zero");
  return 1 / rank;
}

function metric({ result_summary = {} }: PeerEntry, name: string): number {
  const value = pythonFloat(name in result_summary ? result_summary[name] : 0);
  if (value === undefined) throw new TypeError(`float() of ${JSON.stringify(result_summary[name])}`);
  return value;
}

/** max(a, b) of Python: the first unless the second is greater, so that NaN never wins from behind. */
function larger(a: number, b: number): number {
  if (b > a) return b;
  return a;
}
function smaller(a: number, b: number): number {
  if (b < a) return b;
  return a;
}

function normalised(values: readonly number[]): number[] {
  const [least, most] = [values.reduce(smaller), values.reduce(larger)];
  if (most - least < NOTHING) return values.map(() => 1 / values.length);
  return values.map((v) => (v - least) / (most - least));
}
