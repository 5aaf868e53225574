export interface RankingRule {
  /** a window's or a metric's name, or `overall` */
  key: string;
  direction: "asc" | "desc";
}

/** What the contract says of its board: windows as data, what ranks, and how `overall` weighs the windows. */
export interface BoardRules {
  windows: readonly { name: string; hours: number }[];
  ranking: RankingRule;
  /** window name → weight, in any unit; absent: each window counts the same */
  overall?: Readonly<Record<string, number>>;
  /** share of its rounds, 0 to 1, that a model must have answered; absent: 0 */
  participationFloor?: number;
}

/** The scores of one model, scope and window, added in order of time: equal histories have equal sums to the last bit. */
export interface WindowSum {
  /** sum of the scores' values */
  sum: number;
  /** how many scores; failed and excluded ones are not among them */
  count: number;
}

/** What a board needs to know of one model; all of it can be kept up to date without reading old scores. */
export interface ModelHistory {
  modelId: string;
  /** scope key → window name → sum */
  scopes: ReadonlyMap<string, Readonly<Record<string, WindowSum>>>;
  metrics: Readonly<Record<string, number>>;
  /** when the model's counted history begins (its newest deployment's, where the contract resets), epoch ms */
  firstMs: number;
  /** of the ranking window: rounds that called the model, and those in which it answered */
  asked: number;
  answered: number;
}

/** The instant a board stands for. */
export interface BoardTime {
  endMs: number;
  /** when the competition's first round was due */
  startedMs: number;
  /** a model that came this much later than the others is not yet a newcomer, ms */
  toleranceMs: number;
}

interface WindowScore {
  hours: number;
  /** mean of the scores inside, each prediction counting once; null: none */
  value: number | null;
  /** hours between the beginning of the history inside and now */
  coveredHours: number;
  /** the window reaches further back than this model's (or the competition's) history */
  partial: boolean;
}

export interface Standing {
  modelId: string;
  windows: Record<string, WindowScore>;
  /** weighted mean of the windows' values; null where one that counts has none */
  overall?: number | null;
  /** scope key → window name → mean of that scope's scores inside; null: none. Not to be mixed up with the anchor window. */
  byScope?: Record<string, Record<string, number | null>>;
  metrics: Record<string, number>;
  predictionCount: number;
  /** answered / asked in the ranking window; null: never asked */
  participation?: number | null;
  /** answered less than the contract's floor: ranked after those that did not */
  belowFloor?: boolean;
  /** younger than the competition itself: never ranked before those that were there */
  newcomer: boolean;
}

export interface Ranked extends Standing {
  rank: number;
  rankingValue: number | null;
}

const HOUR_MS = 3_600_000;
/** A window counts as covered when this share of it, or less, is missing. */
const PARTIAL_SHARE = 0.01;

/** One model's line before it is ranked. */
export function standingOf(history: ModelHistory, rules: BoardRules, time: BoardTime): Standing {
  const scopes = [...history.scopes].sort(([a], [b]) => (a < b ? -1 : 1));
  const sums = rules.windows.map((w) => total(scopes.map(([, windows]) => windows[w.name])));
  const windows = Object.fromEntries(
    rules.windows.map((w, i) => [w.name, windowScore(w.hours, meanOf(sums[i]), history.firstMs, time.endMs)]),
  );
  const participation = history.asked > 0 ? history.answered / history.asked : null;
  return {
    modelId: history.modelId,
    windows,
    overall: overallOf(windows, rules),
    byScope: Object.fromEntries(
      scopes.map(([key, own]) => [key, Object.fromEntries(rules.windows.map((w) => [w.name, meanOf(own[w.name])]))]),
    ),
    metrics: { ...history.metrics },
    predictionCount: Math.max(0, ...sums.map((s) => s.count)),
    participation,
    belowFloor: participation !== null && participation < (rules.participationFloor ?? 0),
    newcomer: isNewcomer(history.firstMs, rankingHours(rules), time),
  };
}

const meanOf = (sum: WindowSum | undefined): number | null => (sum && sum.count > 0 ? sum.sum / sum.count : null);
const total = (sums: readonly (WindowSum | undefined)[]): WindowSum =>
  sums.reduce<WindowSum>((t, s) => (s ? { sum: t.sum + s.sum, count: t.count + s.count } : t), { sum: 0, count: 0 });

function windowScore(hours: number, value: number | null, firstMs: number, endMs: number): WindowScore {
  const coveredHours = value === null ? 0 : Math.min(hours, (endMs - firstMs) / HOUR_MS);
  return { hours, value, coveredHours, partial: coveredHours < hours * (1 - PARTIAL_SHARE) };
}

/** Weights of the windows in `overall`, adding up to 1; windows of weight 0 are left out. Throws TypeError for an unknown window, a negative weight, or none above 0. */
export function overallWeights(rules: BoardRules): ReadonlyMap<string, number> {
  const names = rules.windows.map((w) => w.name);
  const given = Object.entries(rules.overall ?? Object.fromEntries(names.map((n) => [n, 1])));
  const unknown = given.find(([name]) => !names.includes(name));
  if (unknown) throw new TypeError(`overall weighs "${unknown[0]}", which is no window; windows: ${names.join(", ")}`);
  const bad = given.find(([, weight]) => !(weight >= 0 && Number.isFinite(weight)));
  if (bad) throw new TypeError(`overall weight of "${bad[0]}" is ${bad[1]}: write a number from 0 up`);
  const sum = given.reduce((s, [, weight]) => s + weight, 0);
  if (sum <= 0) throw new TypeError("overall: at least one window needs a weight above 0");
  return new Map(given.filter(([, weight]) => weight > 0).map(([name, weight]) => [name, weight / sum]));
}

function overallOf(windows: Readonly<Record<string, WindowScore>>, rules: BoardRules): number | null {
  let sum = 0;
  for (const [name, weight] of overallWeights(rules)) {
    const value = windows[name]?.value ?? null;
    if (value === null) return null;
    sum += weight * value;
  }
  return sum;
}

/** The windows whose means make the value that ranks, and their weights; none where a metric ranks. */
export function countedWindows(rules: BoardRules): { hours: number; weight: number }[] {
  const weights = rules.ranking.key === "overall" ? overallWeights(rules) : new Map([[rules.ranking.key, 1]]);
  return rules.windows
    .filter((w) => weights.has(w.name))
    .map((w) => ({ hours: w.hours, weight: weights.get(w.name)! }));
}

/** The stretch whose scores decide the rank: the ranking window, or the longest that counts in `overall`; for a metric the first window. */
export function rankingHours(rules: BoardRules): number {
  const hours = countedWindows(rules).map((w) => w.hours);
  return hours.length > 0 ? Math.max(...hours) : (rules.windows[0]?.hours ?? 24);
}

/** Younger than the competition within the ranking window, so that a short history is no advantage. */
const isNewcomer = (firstMs: number, hours: number, time: BoardTime): boolean =>
  firstMs - Math.max(time.startedMs, time.endMs - hours * HOUR_MS) > time.toleranceMs;

/** What the rule ranks by; null: nothing. */
const rankingValueOf = (standing: Standing, key: string): number | null => {
  if (key in standing.windows) return standing.windows[key]!.value;
  return key === "overall" ? (standing.overall ?? null) : (standing.metrics[key] ?? null);
};

/** 0: ranked by value. Then: below the participation floor; newcomers; both; and last those with nothing to rank by. */
export const tierOf = (standing: Standing, value: number | null): number =>
  value === null ? 4 : (standing.newcomer ? 2 : 0) + (standing.belowFloor ? 1 : 0);

/**
 * Orders by tier, then by the ranking value. Equal values of one tier share a rank, and the next rank counts them (1, 1, 3);
 * the model id decides only the order in which equals are listed.
 */
export function rank(standings: readonly Standing[], rule: RankingRule): Ranked[] {
  const factor = rule.direction === "desc" ? -1 : 1;
  const rows = standings.map((s) => ({ ...s, rank: 0, rankingValue: rankingValueOf(s, rule.key) }));
  const tier = new Map(rows.map((row) => [row.modelId, tierOf(row, row.rankingValue)]));
  rows.sort(
    (a, b) =>
      tier.get(a.modelId)! - tier.get(b.modelId)! ||
      factor * ((a.rankingValue ?? 0) - (b.rankingValue ?? 0)) ||
      (a.modelId < b.modelId ? -1 : 1),
  );
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    const tied =
      before?.rankingValue === row.rankingValue && before && tier.get(before.modelId) === tier.get(row.modelId);
    row.rank = tied ? before.rank : i + 1;
  });
  return rows;
}

/** Places won (positive) or lost since the board before; null: was not on it. */
export const rankChange = (previous: ReadonlyMap<string, number>, modelId: string, rank: number): number | null =>
  previous.has(modelId) ? previous.get(modelId)! - rank : null;
