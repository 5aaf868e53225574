import { z } from "zod";
import type { Competition } from "../../competitions/competition.ts";
import { leaderboardSeries } from "../../db/leaderboards.ts";
import { listModels } from "../../db/models.ts";
import { scopeMeans } from "../../db/scores.ts";
import { latestSnapshots, listSnapshots } from "../../db/snapshots.ts";
import type { SnapshotRow } from "../../db/windows.ts";
import { isEnsembleModel } from "../../domain/ensembles.ts";
import { rangeOf, rangeParameters, toZoneless } from "../contract/common.ts";
import { globalRow, paramsRow } from "../contract/leaderboard.ts";
import { modelMetricsRow, modelRow } from "../contract/models.ts";
import type { ApiDeps, App } from "../deps.ts";

/** Points of a series, rows of an answer and rounds per scope: the newest are kept. */
const SERIES_POINTS = 200;
const MOST_ROWS = 1_000;
const SCOPE_ROUNDS = 500;
const HOUR_MS = 3_600_000;

const tags = ["models"];
const config = { tier: "read", errors: [422] } as const;
const range = rangeParameters;
type Range = z.output<typeof range>;
const asked = ({ projectIds }: Range): readonly string[] | undefined =>
  projectIds && projectIds.length > 0 ? projectIds : undefined;

/** Models and how they did over time. */
export function modelRoutes(app: App, deps: ApiDeps): void {
  const { db } = deps;
  const now = deps.now ?? Date.now;
  app.get(
    "/reports/models",
    {
      config: { tier: "read" },
      schema: { operationId: "listModels", tags, summary: "Every model", response: { 200: z.array(modelRow) } },
    },
    async () =>
      (await listModels(db)).map((m) => ({
        model_id: m.id,
        model_name: m.name,
        cruncher_name: m.player_name,
        cruncher_id: m.player_id,
        deployment_id: m.deployment_identifier,
      })),
  );
  app.get(
    "/reports/models/global",
    {
      config,
      schema: {
        operationId: "getModelsGlobal",
        tags,
        summary: `Scores over time: at most ${SERIES_POINTS} points`,
        querystring: range,
        response: { 200: z.array(globalRow) },
      },
    },
    async ({ query }) => {
      const { start, end } = rangeOf(query, now());
      const models = asked(query);
      const boards = await leaderboardSeries(db, { from: start, to: end, points: SERIES_POINTS });
      return boards.flatMap((board) =>
        board.entries_jsonb
          .filter((entry) => query.include_ensembles || !isEnsembleModel(entry.model_id))
          .filter((entry) => !models || models.includes(entry.model_id))
          .map(({ model_id, score }) => ({
            model_id,
            score_metrics: score.metrics,
            score_ranking: score.ranking,
            ...score.metrics,
            performed_at: toZoneless(board.window_end),
          })),
      );
    },
  );
  app.get(
    "/reports/models/params",
    {
      config,
      schema: {
        operationId: "getModelsByScope",
        tags,
        summary: `Scores by scope, over at most ${SCOPE_ROUNDS} rounds of each`,
        querystring: range,
        response: { 200: z.array(paramsRow) },
      },
    },
    async ({ query }) => paramsRows(deps, query, now()),
  );
  app.get(
    "/reports/models/metrics",
    {
      config,
      schema: {
        operationId: "getModelsMetrics",
        tags,
        summary: `Snapshots, flat: the newest ${MOST_ROWS}`,
        querystring: range,
        response: { 200: z.array(modelMetricsRow) },
      },
    },
    async ({ query }) => {
      const { start, end } = rangeOf(query, now());
      const filter = { models: asked(query), from: start, to: end, everything: query.include_ensembles };
      return (await listSnapshots(db, { ...filter, limit: MOST_ROWS })).map(flatSnapshot);
    },
  );
  app.get(
    "/reports/models/summary",
    {
      config,
      schema: {
        operationId: "getModelsSummary",
        tags,
        summary: "The newest snapshot of each model, flat",
        querystring: range,
        response: { 200: z.array(modelMetricsRow) },
      },
    },
    async ({ query }) => {
      const { start, end } = rangeOf(query, now());
      const filter = { models: asked(query), from: start, to: end, everything: query.include_ensembles };
      return (await latestSnapshots(db, filter)).map(flatSnapshot);
    },
  );
}

const flatSnapshot = (s: SnapshotRow): z.infer<typeof modelMetricsRow> => ({
  model_id: s.model_id,
  performed_at: toZoneless(s.period_end),
  prediction_count: s.prediction_count,
  ...s.result_summary_jsonb,
});

async function paramsRows(
  { db, competition: { competition, scopes } }: ApiDeps,
  query: Range,
  nowMs: number,
): Promise<z.infer<typeof paramsRow>[]> {
  const { start, end } = rangeOf(query, nowMs);
  const since = competition.windows.map((w) => new Date(end.getTime() - w.hours * HOUR_MS));
  const rows = await scopeMeans(
    db,
    { scopeKeys: scopes.map((s) => s.scopeKey), from: start, to: end, rounds: SCOPE_ROUNDS },
    since,
    asked(query),
  );
  const shown = rows.filter((row) => query.include_ensembles || !isEnsembleModel(row.model_id));
  return shown.map((row) => {
    const metrics = Object.fromEntries(competition.windows.map((w, i) => [w.name, row.means[i] ?? null]));
    return {
      model_id: row.model_id,
      scope_key: row.scope_key,
      scope: row.scope_jsonb,
      score_metrics: metrics,
      score_ranking: rankingOf(competition, metrics),
      ...metrics,
      performed_at: toZoneless(row.last_resolved_at),
    };
  });
}

const rankingOf = ({ ranking }: Competition, metrics: Record<string, number | null>) => ({
  key: ranking.key,
  value: metrics[ranking.key] ?? null,
  direction: ranking.direction,
});
