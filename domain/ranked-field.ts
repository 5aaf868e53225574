interface RankingContract {
  ranking: { key: string };
  windows: readonly { name: string }[];
}

/**
 * The field of snapshots' summaries by which a checkpoint ranks. A leaderboard's window and `overall` are the scores' aggregated `value` there, taken over
 * the checkpoint's own period: snapshots know no longer windows. Any other key is a metric, which snapshots have under its own name.
 */
export const rankedField = ({ ranking: { key }, windows }: RankingContract): string =>
  key === "overall" || windows.some((w) => w.name === key) ? "value" : key;
