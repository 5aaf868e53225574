import type { Competition, RankOrder, ScheduledScope } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import { provisionalModels } from "../db/deployments.ts";
import { insertLeaderboard, type ListedModel, listedModels, ranksBefore } from "../db/leaderboards.ts";
import { competitionStart } from "../db/rounds.ts";
import type { FormerDeployment, LeaderboardEntryRow } from "../db/schema.ts";
import { isEnsembleModel } from "../domain/ensembles.ts";
import { leaderboardId } from "../domain/ids.ts";
import { type BoardRules, type Ranked, rankChange, rankingHours, type Standing } from "../domain/leaderboard.ts";
import { boardAnalysis } from "./board-metrics.ts";
import type { RankedBoard } from "./board-ranks.ts";
import { type BoardSums, boardSums } from "./board-sums.ts";
import { peerRanks } from "./peer-board.ts";
import type { WindowSpan } from "./snapshots.ts";

const HOUR_MS = 3_600_000;
/** A model that came this share of a window (or three scoring windows) after the others is not yet a newcomer. */
const NEWCOMER_SHARE = 0.01;
const MOST_TEXT = 500;

export interface BoardContract {
  competition: Competition;
  scopes: readonly Cadence[];
}
type Cadence = Pick<ScheduledScope, "everyMs" | "phaseMs" | "resolveAfterMs">;

/** Ranks every model that was scored in the longest window and stores the board of this scoring window. Returns its rows. */
export async function storeLeaderboard(
  tx: Queryable,
  { competition, scopes }: BoardContract,
  span: WindowSpan,
): Promise<LeaderboardEntryRow[]> {
  const startedMs = (await competitionStart(tx)) ?? span.startMs;
  const sums = await boardSums(tx, competition, span.endMs);
  const id = leaderboardId(span.endMs);
  const board = await boardAnalysis(tx, competition, sums, {
    histories: sums.histories,
    rules: rulesOf(competition),
    time: { endMs: span.endMs, startedMs, toleranceMs: tolerance(competition, span) },
    seed: id,
    leastInstants: leastInstants(scopes),
  });
  const own = competition.compat ? await peerRanks(tx, competition, span.endMs, board) : board;
  const { ranked, problem } = await rankedBy(competition, own);
  const entries = await entriesOf(tx, competition, span, sums, ranked);
  const meta = {
    ranking: competition.ranking,
    competition_started_at: new Date(startedMs).toISOString(),
    ...(problem === undefined ? {} : { ranker_failed: problem }),
  };
  await insertLeaderboard(tx, { id, endMs: span.endMs, entries, meta });
  return entries;
}

const rulesOf = ({ windows, ranking, overall, participationFloor }: Competition): BoardRules => ({
  windows,
  ranking,
  ...(overall === undefined ? {} : { overall }),
  ...(participationFloor === undefined ? {} : { participationFloor }),
});

function tolerance(competition: Competition, span: WindowSpan): number {
  const ranking = rankingHours(rulesOf(competition)) * HOUR_MS;
  return Math.max(3 * (span.endMs - span.startMs), NEWCOMER_SHARE * ranking);
}

/** How many instants at which something is due the longest horizon spans: rounds that close are not independent. */
export function leastInstants(scopes: readonly Cadence[]): number {
  const grids = new Map(scopes.map((s) => [`${s.everyMs}/${(s.phaseMs ?? 0) % s.everyMs}`, s.everyMs]));
  const perMs = [...grids.values()].reduce((sum, everyMs) => sum + 1 / everyMs, 0);
  return Math.max(1, Math.ceil(Math.max(0, ...scopes.map((s) => s.resolveAfterMs)) * perMs));
}

/** A ranker of one's own that fails must not stop the window: the board then follows `ranking`, and says so. */
async function rankedBy(
  competition: Competition,
  board: RankedBoard,
): Promise<{ ranked: RankedBoard; problem?: string }> {
  if (!competition.rankModels) return { ranked: board };
  try {
    return { ranked: await inOrderOf(competition, board) };
  } catch (error) {
    return { ranked: board, problem: String(error).slice(0, MOST_TEXT) };
  }
}

/** A ranker of one's own orders the models; how sure that order is, the bootstrap of another order cannot say. */
async function inOrderOf(competition: Competition, board: RankedBoard): Promise<RankedBoard> {
  const models = board.rows.filter((r) => !isEnsembleModel(r.modelId));
  const ensembles = board.rows.filter((r) => isEnsembleModel(r.modelId));
  const rows = inOrder(models, await competition.rankModels!(models.map(rankable)));
  return { rows: [...rows, ...ensembles], intervals: new Map() };
}

const rankable = (r: Ranked) => ({
  modelId: r.modelId,
  metrics: metricsOf(r),
  predictionCount: r.predictionCount,
  newcomer: r.newcomer,
});

/** The order of a ranker of one's own; a list inside it is a shared rank. Throws where it does not hold every model exactly once. */
function inOrder(models: readonly Ranked[], order: RankOrder): Ranked[] {
  const open = new Map(models.map((m) => [m.modelId, m]));
  let place = 1;
  const rows = order.flatMap((entry) => {
    const ids: readonly string[] = typeof entry === "string" ? [entry] : entry;
    const shared = place;
    place += ids.length;
    return ids.map((id) => {
      const model = open.get(id);
      if (!model) throw new TypeError(`the ranker names ${id}, which is no model of the board or was named before`);
      open.delete(id);
      return { ...model, rank: shared };
    });
  });
  if (open.size > 0) throw new TypeError(`the ranker left out ${[...open.keys()].join(", ")}`);
  return rows;
}

const metricsOf = (r: Standing): Record<string, number | null> => ({
  ...Object.fromEntries(Object.entries(r.windows).map(([name, w]) => [name, w.value])),
  overall: r.overall ?? null,
  ...r.metrics,
});

async function entriesOf(
  tx: Queryable,
  competition: Competition,
  span: WindowSpan,
  sums: BoardSums,
  { rows, intervals }: RankedBoard,
): Promise<LeaderboardEntryRow[]> {
  const listed = await listedModels(
    tx,
    rows.map((r) => r.modelId),
  );
  const names = new Map(listed.map((m) => [m.id, m]));
  const before = await ranksBefore(tx, span.endMs);
  const provisional = new Set(
    await provisionalModels(tx, {
      rounds: competition.provisionalRounds ?? 0,
      perDeployment: (competition.onNewDeployment ?? "keep") !== "keep",
    }),
  );
  return rows.map((r) => ({
    ...entryOf(competition, r, names.get(r.modelId), sums.former.get(r.modelId) ?? []),
    missed: sums.missed.get(r.modelId) ?? 0,
    rank_change: rankChange(before, r.modelId, r.rank),
    rank_interval: intervals.get(r.modelId) ?? null,
    provisional: provisional.has(r.modelId),
  }));
}

const entryOf = (
  { ranking }: Competition,
  r: Ranked,
  model: ListedModel | undefined,
  former: readonly FormerDeployment[],
): Omit<LeaderboardEntryRow, "missed" | "rank_change" | "rank_interval" | "provisional"> => ({
  model_id: r.modelId,
  model_name: model?.name ?? r.modelId,
  cruncher_name: model?.player_name ?? "",
  rank: r.rank,
  prediction_count: r.predictionCount,
  score: {
    metrics: metricsOf(r),
    ranking: { key: ranking.key, value: r.rankingValue, direction: ranking.direction },
  },
  windows: Object.fromEntries(
    Object.entries(r.windows).map(([name, w]) => [
      name,
      { hours: w.hours, covered_hours: w.coveredHours, partial: w.partial },
    ]),
  ),
  by_scope: r.byScope ?? {},
  participation: r.participation ?? null,
  newcomer: r.newcomer,
  former: [...former],
});
