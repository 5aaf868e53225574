import type { Database } from "../../../db/database.ts";
import type { LeaderboardEntryRow } from "../../../db/schema.ts";
import { leaderboardId, snapshotId } from "../../../domain/ids.ts";
import { HOUR_MS, MODELS, WINDOW_MS } from "./seed-models.ts";

export async function seedWindow(db: Database, endMs: number, age: number): Promise<void> {
  const at = { start_at: new Date(endMs - WINDOW_MS), end_at: new Date(endMs) };
  await db
    .insertInto("scoring_windows")
    .values({
      ...at,
      status: "COMMITTED",
      counts_jsonb: JSON.stringify({ snapshots: 4, scores: 48 }),
      committed_at: new Date(endMs + 900),
    })
    .execute();
  await db
    .insertInto("snapshots")
    .values(
      MODELS.map((m) => ({
        id: snapshotId(m.id, endMs, 0),
        model_id: m.id,
        window_end: at.end_at,
        period_start: at.start_at,
        period_end: at.end_at,
        prediction_count: 12,
        supersedes: null,
        result_summary_jsonb: JSON.stringify({
          value: m.skill,
          ic: m.skill / 5,
          hit_rate: 0.5 + m.skill / 10,
          missed: m.name === "slow-thinker" ? 1 : 0,
        }),
        content_hash: "ab".repeat(32),
      })),
    )
    .execute();
  await db
    .insertInto("leaderboards")
    .values({
      id: leaderboardId(endMs),
      window_end: at.end_at,
      created_at: new Date(endMs + 900),
      entries_jsonb: JSON.stringify(MODELS.map((m, i) => entryOf(m, i, age))),
    })
    .execute();
}

function entryOf(m: (typeof MODELS)[number], i: number, age: number): LeaderboardEntryRow {
  const covered = (age * WINDOW_MS) / HOUR_MS;
  const windows = { score_recent: 24, score_steady: 72, score_anchor: 168 };
  return {
    model_id: m.id,
    model_name: m.name,
    cruncher_name: m.cruncher,
    rank: i + 1,
    prediction_count: age * 12,
    missed: m.name === "slow-thinker" ? age : 0,
    score: {
      metrics: {
        ...Object.fromEntries(Object.keys(windows).map((name) => [name, m.skill])),
        ic: m.skill / 5,
        mean_return: m.skill / 10_000,
        hit_rate: 0.5 + m.skill / 10,
        max_drawdown: -Math.abs(m.skill) * 3,
        sortino_ratio: m.skill * 2,
      },
      ranking: { key: "score_recent", value: m.skill, direction: "desc" },
    },
    windows: Object.fromEntries(
      Object.entries(windows).map(([name, hours]) => [name, { hours, covered_hours: covered, partial: true }]),
    ),
    ...STANDINGS[m.id],
  };
}

/** What the page says of a rank beside its number; model-1's board is as an earlier version stored it. */
const STANDINGS: Record<string, Partial<LeaderboardEntryRow>> = {
  "model-2": { rank_interval: { best: 1, worst: 3, shared: 1 } },
  "model-3": {
    rank_interval: { best: 3, worst: 3, shared: 3 },
    former: [
      {
        deployment_id: "model-3-old",
        prediction_count: 1_234,
        first_at: "2026-11-01T10:00:00.000Z",
        last_at: "2026-11-20T12:00:00.000Z",
        windows: { score_recent: 0.5, score_steady: null },
      },
    ],
  },
  "model-4": { newcomer: true, provisional: true },
};
