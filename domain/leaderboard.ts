export interface RankingRule {
  /** a window's or a metric's name */
  key: string;
  direction: "asc" | "desc";
}

export interface WindowScore {
  hours: number;
  /** mean of the scores inside, each prediction counting once; null: none */
  value: number | null;
  /** hours between the first score inside and now */
  coveredHours: number;
  /** the window reaches further back than this model's (or the competition's) history */
  partial: boolean;
}

export interface Standing {
  modelId: string;
  windows: Record<string, WindowScore>;
  metrics: Record<string, number>;
  predictionCount: number;
  /** younger than the competition itself: never ranked before those that were there */
  newcomer: boolean;
}

export interface Ranked extends Standing {
  rank: number;
  rankingValue: number | null;
}

const valueBy = (standing: Standing, key: string): number | null =>
  key in standing.windows ? standing.windows[key]!.value : (standing.metrics[key] ?? null);

/** 0: ranked by value; 1: newcomers, ranked after; 2: nothing to rank by. */
const tier = (standing: Standing, value: number | null): number => (value === null ? 2 : standing.newcomer ? 1 : 0);

/**
 * Orders by tier, then by the ranking value. Equal values of one tier share a rank, and the next rank counts them (1, 1, 3);
 * the model id decides only the order in which equals are listed.
 */
export function rank(standings: readonly Standing[], rule: RankingRule): Ranked[] {
  const factor = rule.direction === "desc" ? -1 : 1;
  const rows = standings.map((s) => ({ ...s, rank: 0, rankingValue: valueBy(s, rule.key) }));
  rows.sort(
    (a, b) =>
      tier(a, a.rankingValue) - tier(b, b.rankingValue) ||
      factor * ((a.rankingValue ?? 0) - (b.rankingValue ?? 0)) ||
      (a.modelId < b.modelId ? -1 : 1),
  );
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    const tied =
      before &&
      before.rankingValue === row.rankingValue &&
      tier(before, before.rankingValue) === tier(row, row.rankingValue);
    row.rank = tied ? before.rank : i + 1;
  });
  return rows;
}
