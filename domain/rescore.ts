import { isEnsembleModel } from "./ensembles.ts";
import { type BoardRules, type Ranked, rank, standingOf, type WindowSum } from "./leaderboard.ts";

export type RescoreStatus = "pending" | "running" | "ready" | "adopted" | "failed" | "cancelled";

export const RESCORE_NEXT: Readonly<Record<RescoreStatus, readonly RescoreStatus[]>> = {
  pending: ["running", "failed", "cancelled"],
  running: ["ready", "failed", "cancelled"],
  ready: ["adopted", "cancelled"],
  adopted: [],
  failed: [],
  cancelled: [],
};

export interface RescoreCounts {
  /** rounds of the range that are scored, as the job found them when it began */
  all_rounds: number;
  /** rounds and scores that the job has made again */
  rounds: number;
  scores: number;
  /** predictions that the scorer refused */
  refused: number;
  /** scores that count since the adoption, and those that stayed because a checkpoint has sealed them */
  adopted: number;
  sealed: number;
}
export const NO_RESCORES: RescoreCounts = { all_rounds: 0, rounds: 0, scores: 0, refused: 0, adopted: 0, sealed: 0 };

/** Percent with one decimal; rounded down, and 100 only where nothing is left. */
export function rescoreProgress(status: RescoreStatus, { rounds, all_rounds }: RescoreCounts): number {
  if (status === "ready" || status === "adopted") return 100;
  return all_rounds === 0 ? 0 : Math.min(99.9, Math.floor((rounds / all_rounds) * 1_000) / 10);
}

/** One model's scores of a range in one scope, by the scores that count (`before`) and with the new ones in their place (`after`). */
export interface SeriesSum {
  model_id: string;
  scope_key: string;
  before: SeriesPart;
  after: SeriesPart;
  /** rounds that asked the model */
  asked: number;
  /** scores whose value is another */
  changed: number;
}
interface SeriesPart extends WindowSum {
  /** rounds with a valid answer that the scorer took */
  answered: number;
}

export interface RankDiffRow {
  model_id: string;
  /** null: nothing to rank by */
  rank_before: number | null;
  rank_after: number | null;
  /** mean of the scores */
  value_before: number | null;
  value_after: number | null;
  scores: number;
  changed: number;
}
export interface RankDiff {
  ranked_by: "mean score";
  direction: "asc" | "desc";
  rows: RankDiffRow[];
  scores: number;
  changed: number;
  /** scores that an adoption would replace, and those of them that it would leave because these checkpoints have sealed them */
  replaceable: number;
  sealed: number;
  checkpoints: string[];
}

const HOUR_MS = 3_600_000;
const RANGE = "range";

export interface DiffRules {
  direction: "asc" | "desc";
  participationFloor?: number | undefined;
  fromMs: number;
  toMs: number;
}

/**
 * The range's board by either series: models by the mean of their scores, those below the participation floor after the others, equals
 * sharing a rank. Ensembles take no place and are not listed; nobody is a newcomer in a range that is over.
 */
export function rankDiff(sums: readonly SeriesSum[], rules: DiffRules): RankDiffRow[] {
  const models = Map.groupBy(
    sums.filter((s) => !isEnsembleModel(s.model_id)),
    (s) => s.model_id,
  );
  const before = boardOf(models, rules, (s) => s.before);
  const after = boardOf(models, rules, (s) => s.after);
  return [...models]
    .map(([model_id, own]) => ({
      model_id,
      ...{ rank_before: rankOf(before.get(model_id)!), rank_after: rankOf(after.get(model_id)!) },
      ...{ value_before: before.get(model_id)!.rankingValue, value_after: after.get(model_id)!.rankingValue },
      scores: own.reduce((n, s) => n + s.asked, 0),
      changed: own.reduce((n, s) => n + s.changed, 0),
    }))
    .sort((a, b) => after.get(a.model_id)!.rank - after.get(b.model_id)!.rank || (a.model_id < b.model_id ? -1 : 1));
}

const rankOf = (row: Ranked): number | null => (row.rankingValue === null ? null : row.rank);

function boardOf(
  models: ReadonlyMap<string, readonly SeriesSum[]>,
  { direction, participationFloor, fromMs, toMs }: DiffRules,
  part: (sum: SeriesSum) => SeriesPart,
): ReadonlyMap<string, Ranked> {
  const rules: BoardRules = {
    windows: [{ name: RANGE, hours: (toMs - fromMs) / HOUR_MS }],
    ranking: { key: RANGE, direction },
    ...(participationFloor === undefined ? {} : { participationFloor }),
  };
  const time = { endMs: toMs, startedMs: fromMs, toleranceMs: Number.POSITIVE_INFINITY };
  const standings = [...models].map(([modelId, own]) =>
    standingOf(
      {
        modelId,
        scopes: new Map(own.map((s) => [s.scope_key, { [RANGE]: part(s) }])),
        metrics: {},
        firstMs: fromMs,
        asked: own.reduce((n, s) => n + s.asked, 0),
        answered: own.reduce((n, s) => n + part(s).answered, 0),
      },
      rules,
      time,
    ),
  );
  return new Map(rank(standings, rules.ranking).map((row) => [row.modelId, row]));
}
