import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import { competitionStart } from "../db/rounds.ts";
import type { LeaderboardEntryRow } from "../db/schema.ts";
import { recentPairs } from "../db/scores.ts";
import { insertLeaderboard, modelNames, type WindowMean, windowMeans } from "../db/windows.ts";
import { leaderboardId } from "../domain/ids.ts";
import { type Ranked, rank, type Standing, type WindowScore } from "../domain/leaderboard.ts";
import { computeMetrics, seriesOf } from "../domain/metrics.ts";
import type { WindowSpan } from "./window.ts";

const HOUR_MS = 3_600_000;
/** Metrics on the board look at this many of the newest scored rounds of a model. */
const METRIC_ROUNDS = 2_000;
/** A model that came this share of a window (or three scoring windows) after the others is not yet a newcomer. */
const NEWCOMER_SHARE = 0.01;

/** Ranks every model that has a snapshot in the longest window and stores the board of this scoring window. */
export async function storeLeaderboard(tx: Queryable, competition: Competition, span: WindowSpan): Promise<void> {
  const began = (await competitionStart(tx)) ?? span.startMs;
  const longest = Math.max(...competition.windows.map((w) => w.hours));
  const sinceOf = (hours: number): number => span.endMs - hours * HOUR_MS;
  const means = new Map<string, Map<string, WindowMean>>();
  for (const w of competition.windows)
    means.set(w.name, new Map((await windowMeans(tx, sinceOf(w.hours), span.endMs)).map((m) => [m.model_id, m])));
  const everybody = new Map([...means.values()].flatMap((m) => [...m])); // the widest window comes last and wins
  const standings: Standing[] = [];
  for (const [modelId, widest] of everybody) {
    const pairs = await recentPairs(tx, modelId, sinceOf(longest), METRIC_ROUNDS);
    standings.push({
      modelId,
      windows: Object.fromEntries(
        competition.windows.map((w) => [w.name, windowScore(w.hours, means.get(w.name)!.get(modelId), span)]),
      ),
      metrics: computeMetrics(competition.metrics, seriesOf(pairs)),
      predictionCount: widest.predictions,
      newcomer: isNewcomer(competition, widest, began, span),
    });
  }
  await insertLeaderboard(tx, {
    id: leaderboardId(span.endMs),
    endMs: span.endMs,
    entries: await entriesOf(tx, competition, rank(standings, competition.ranking)),
    meta: { ranking: competition.ranking, competition_started_at: new Date(began).toISOString() },
  });
}

function windowScore(hours: number, mean: WindowMean | undefined, span: WindowSpan): WindowScore {
  const coveredHours = mean ? Math.min(hours, (span.endMs - mean.first_period_start.getTime()) / HOUR_MS) : 0;
  return { hours, value: mean?.value ?? null, coveredHours, partial: coveredHours < hours * (1 - NEWCOMER_SHARE) };
}

/** Younger than the competition within the ranking window, so that a short history is no advantage. */
function isNewcomer(competition: Competition, widest: WindowMean, began: number, span: WindowSpan): boolean {
  const hours =
    competition.windows.find((w) => w.name === competition.ranking.key)?.hours ?? competition.windows[0]?.hours ?? 24;
  const reference = Math.max(began, span.endMs - hours * HOUR_MS);
  const tolerance = Math.max(3 * (span.endMs - span.startMs), NEWCOMER_SHARE * hours * HOUR_MS);
  return widest.first_period_start.getTime() - reference > tolerance;
}

async function entriesOf(
  tx: Queryable,
  competition: Competition,
  ranked: readonly Ranked[],
): Promise<LeaderboardEntryRow[]> {
  const names = new Map(
    (
      await modelNames(
        tx,
        ranked.map((r) => r.modelId),
      )
    ).map((m) => [m.id, m]),
  );
  return ranked.map((r) => ({
    model_id: r.modelId,
    model_name: names.get(r.modelId)?.name ?? r.modelId,
    cruncher_name: names.get(r.modelId)?.player_name ?? "",
    rank: r.rank,
    prediction_count: r.predictionCount,
    score: {
      metrics: { ...Object.fromEntries(Object.entries(r.windows).map(([name, w]) => [name, w.value])), ...r.metrics },
      ranking: { key: competition.ranking.key, value: r.rankingValue, direction: competition.ranking.direction },
    },
    windows: Object.fromEntries(
      Object.entries(r.windows).map(([name, w]) => [
        name,
        { hours: w.hours, covered_hours: w.coveredHours, partial: w.partial },
      ]),
    ),
  }));
}
