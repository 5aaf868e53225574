import { latestCheckpoint, listCheckpoints } from "../db/checkpoints.ts";
import { runningModels } from "../db/deployments.ts";
import { countOpenWindows, type RoundLatency, roundLatencies, roundNumbers, roundsByStatus } from "../db/pipeline.ts";
import { listRounds } from "../db/rounds.ts";
import { lastCommittedWindow } from "../db/windows.ts";
import { granularityMs } from "../domain/granularity.ts";
import { periodAt } from "../domain/period.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import type { FeedStage, Overview } from "./contract/overview.ts";
import type { ApiDeps } from "./deps.ts";
import { feedAges } from "./readiness.ts";
import { roundOf } from "./round-view.ts";

const RECENT_ROUNDS = 20;
const LATENCY_ROUNDS = 100;
const HOUR_MS = 3_600_000;

/** Live numbers of every stage. A dozen indexed queries, none of which grows with the database. */
export async function overviewOf({ db, settings, now = Date.now }: ApiDeps): Promise<Overview> {
  const nowMs = now();
  const { feed } = settings;
  const length = granularityMs(feed.granularity);
  const [ages, numbers, models, window, openWindows, latest, paid, latencies, byStatus, rounds] = await Promise.all([
    feedAges(db, feed, nowMs),
    roundNumbers(db, nowMs),
    runningModels(db),
    lastCommittedWindow(db),
    countOpenWindows(db),
    latestCheckpoint(db),
    listCheckpoints(db, { status: "PAID", limit: 1 }),
    roundLatencies(db, feed, length, LATENCY_ROUNDS),
    roundsByStatus(db, new Date(nowMs - HOUR_MS)),
    listRounds(db, { limit: RECENT_ROUNDS }),
  ]);
  const period = periodAt(settings.checkpointClock, nowMs);
  const counts = (window?.counts_jsonb ?? {}) as { snapshots?: number; scores?: number };
  return {
    as_of: new Date(nowMs).toISOString(),
    feed: ages.map(
      (age): FeedStage => ({
        subject: age.subject,
        source: feed.source,
        kind: feed.kind,
        granularity: feed.granularity,
        granularity_ms: length,
        last_event_at: toIsoOrNull(age.lastEvent),
        received_at: toIsoOrNull(age.receivedAt),
        age_ms: age.ageMs,
        state: age.state,
      }),
    ),
    input: { per_minute: numbers.inputs },
    predict: {
      models_running: models.length,
      predictions_per_minute: numbers.predictions,
      rounds_per_minute: numbers.rounds,
      next_resolve_at: toIsoOrNull(numbers.next_resolve_at),
    },
    score: { waiting: numbers.waiting, due: numbers.due, late: numbers.late, scores_per_minute: numbers.scores },
    snapshot: {
      window_end: toIsoOrNull(window?.end_at),
      committed_at: toIsoOrNull(window?.committed_at),
      snapshots: counts.snapshots ?? 0,
      scores: counts.scores ?? 0,
      open_windows: openWindows,
      interval_ms: settings.windowIntervalMs,
    },
    checkpoint: {
      period_start: new Date(period.startMs).toISOString(),
      period_end: new Date(period.endMs).toISOString(),
      latest: latest ? { id: latest.id, status: latest.status, phase: latest.phase, cause: latest.cause } : null,
    },
    chain: {
      network: settings.network,
      last_paid: paid[0] ? { id: paid[0].id, period_end: toIso(paid[0].period_end), tx_hash: paid[0].tx_hash } : null,
    },
    latency: latencyOf(latencies),
    rounds_last_hour: byStatus,
    recent_rounds: rounds.map(roundOf),
  };
}

/** Nearest-rank quantile of unsorted values. */
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? 0;
const toTenth = (ms: number): number => Math.round(ms * 10) / 10;

export function latencyOf(rounds: readonly RoundLatency[]): Overview["latency"] {
  if (rounds.length === 0) return null;
  const totals = rounds.map((r) => r.begin + r.collect);
  const median = (values: readonly number[]): number => toTenth(Math.max(0, quantile(values, 0.5)));
  return {
    rounds: rounds.length,
    p50_ms: median(totals),
    p95_ms: toTenth(Math.max(0, quantile(totals, 0.95))),
    stages: [
      { name: "begin", p50_ms: median(rounds.map((r) => r.begin)) },
      { name: "models", p50_ms: median(rounds.map((r) => Math.min(r.models, r.collect))) },
      { name: "store", p50_ms: median(rounds.map((r) => Math.max(0, r.collect - r.models))) },
    ],
  };
}
