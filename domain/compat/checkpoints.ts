import { type PeerEmission, type PeerProviders, peerTierEmission } from "./emission.ts";
import { isPythonNumber, pythonRound, pythonRoundTo } from "./python.ts";

/** Checkpoints and their reports as the public crunch-node 0.1.101 makes them, faults included; docs/vectors.md lists what ours do instead. */
export interface PeerSnapshotRow {
  model_id: string;
  /** ISO with an offset */
  period_end: string;
  prediction_count: number;
  result_summary: Readonly<Record<string, unknown>>;
}
interface PeerRankingRow {
  model_id: string;
  model_name: string | null;
  cruncher_name: string | null;
  prediction_count: number;
  snapshot_count: number;
  result_summary: Record<string, unknown>;
  rank: number;
}
export interface PeerCheckpoint {
  id: string;
  period_start: string;
  period_end: string;
  status: string;
  entries: readonly PeerEmission[];
  meta: { ranking: readonly PeerRankingRow[] };
}
export interface PeerPeriod {
  /** ISO with an offset */
  now: string;
  lastPeriodEnd: string | null;
  intervalSeconds: number;
  rankingKey: string;
  direction: string;
  crunch: string;
  providers: PeerProviders;
}

/** CheckpointService.create_checkpoint: both borders of the period count, whoever has snapshots is paid, a missing key is 0. null: no snapshot at all. */
export function peerCheckpoint(snapshots: readonly PeerSnapshotRow[], period: PeerPeriod) {
  const endMs = Date.parse(period.now);
  const startMs = period.lastPeriodEnd ? Date.parse(period.lastPeriodEnd) : endMs - period.intervalSeconds * 1_000;
  const inside = snapshots
    .map((snapshot) => ({ snapshot, atMs: Date.parse(snapshot.period_end) }))
    .filter(({ atMs }) => atMs >= startMs && atMs <= endMs)
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ snapshot }) => snapshot);
  if (inside.length === 0) return null;
  const ranking = rankingOf(inside, period);
  return {
    ...{ id: `CKP_${stamp(endMs)}`, startMs, endMs, status: "PENDING" },
    entries: [peerTierEmission(ranking, period.crunch, period.providers)],
    meta: { snapshot_count: inside.length, model_count: ranking.length, ranking },
  };
}

const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:]/g, "").replace("T", "_").slice(0, 15);

function rankingOf(snapshots: readonly PeerSnapshotRow[], { rankingKey, direction }: PeerPeriod): PeerRankingRow[] {
  const models = [...Map.groupBy(snapshots, (s) => s.model_id)].map(([model_id, own]) => ({
    ...{ model_id, model_name: null, cruncher_name: null },
    prediction_count: own.reduce((sum, s) => sum + s.prediction_count, 0),
    snapshot_count: own.length,
    result_summary: meansOf(own),
  }));
  const heard = models.filter((m) => m.prediction_count > 0);
  const keyOf = (m: (typeof models)[number]): number => m.result_summary[rankingKey] ?? 0;
  const sign = direction === "desc" ? -1 : 1;
  return heard.sort((a, b) => sign * (keyOf(a) - keyOf(b))).map((m, i) => ({ ...m, rank: i + 1 }));
}

/** Over all predictions, those of snapshots without the field too. */
function meansOf(own: readonly PeerSnapshotRow[]): Record<string, number> {
  const predictions = own.reduce((sum, s) => sum + s.prediction_count, 0);
  const sums = new Map<string, number>();
  for (const { result_summary, prediction_count } of own)
    for (const [name, value] of Object.entries(result_summary))
      if (isPythonNumber(value)) sums.set(name, (sums.get(name) ?? 0) + Number(value) * prediction_count);
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum / predictions]));
}

/** What a peer's route raises: HTTPException(status, detail). */
export class PeerHttpError extends Error {
  override name = "PeerHttpError";
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

function firstEntry({ entries }: Pick<PeerCheckpoint, "entries">): PeerEmission {
  const [entry] = entries;
  if (!entry) throw new PeerHttpError(404, "No emission data in checkpoint");
  return entry;
}

/** The model at that place of the ranking; the place itself where there is none. */
const modelAt = ({ meta }: Pick<PeerCheckpoint, "meta">, index: number): string =>
  meta.ranking[index]?.model_id ?? String(index);
const percentOf = (frac64: number, decimals: number): number => pythonRoundTo((frac64 / 1e9) * 100, decimals);
type Percents = ReadonlyMap<string, number>;

/** GET …/emission/cli-format: keyed by model id; of two equal providers the last stands. */
export function peerCliFormat(checkpoint: Pick<PeerCheckpoint, "entries" | "meta">): {
  crunch: string;
  crunchEmission: Percents;
  computeProvider: Percents;
  dataProvider: Percents;
} {
  const entry = firstEntry(checkpoint);
  const providers = (rewards: PeerEmission["compute_provider_rewards"]): Percents =>
    new Map(rewards.map((r) => [r.provider, percentOf(r.reward_pct, 6)]));
  return {
    crunch: entry.crunch,
    crunchEmission: new Map(
      entry.cruncher_rewards.map((r) => [modelAt(checkpoint, r.cruncher_index), percentOf(r.reward_pct, 6)]),
    ),
    computeProvider: providers(entry.compute_provider_rewards),
    dataProvider: providers(entry.data_provider_rewards),
  };
}

interface PeerPrize {
  prizeId: string;
  timestamp: number;
  model: string;
  prize: number;
}

/** GET …/prizes: every prize rounded on its own, so that the sum is seldom the total. */
export function peerPrizes(
  checkpoint: Pick<PeerCheckpoint, "id" | "period_end" | "entries" | "meta">,
  totalPrize: number,
): PeerPrize[] {
  const timestamp = Math.floor(Date.parse(checkpoint.period_end) / 1_000);
  return firstEntry(checkpoint).cruncher_rewards.map(({ cruncher_index, reward_pct }) => {
    const model = modelAt(checkpoint, cruncher_index);
    const prize = pythonRound((reward_pct / 1e9) * totalPrize);
    return { prizeId: `${checkpoint.id}-${model}`, timestamp, model, prize };
  });
}

/** GET /reports/checkpoints/rewards: one row per ranked model, its numbers and booleans beside it. */
export function peerRewards(checkpoint: PeerCheckpoint): Record<string, unknown>[] {
  const [entry] = checkpoint.entries;
  const given = new Map(entry?.cruncher_rewards.map((r) => [r.cruncher_index, r.reward_pct]));
  return checkpoint.meta.ranking.map((row, index) => {
    const frac64 = given.get(index);
    return {
      ...{ checkpoint_id: checkpoint.id, period_start: checkpoint.period_start, period_end: checkpoint.period_end },
      ...{ model_id: row.model_id, model_name: row.model_name, rank: row.rank },
      ...{ reward_pct: frac64 === undefined ? null : percentOf(frac64, 4), prediction_count: row.prediction_count },
      ...Object.fromEntries(Object.entries(row.result_summary).filter(([, value]) => isPythonNumber(value))),
    };
  });
}

/** What every report of a latest checkpoint begins with. Throws PeerHttpError 404 where there is none. */
export function peerHead(checkpoint: PeerCheckpoint | null) {
  if (!checkpoint) throw new PeerHttpError(404, "No checkpoints found");
  const { id, status, period_start, period_end } = checkpoint;
  return { checkpoint_id: id, status, period_start, period_end };
}
