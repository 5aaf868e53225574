import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Competition } from "../../competitions/competition.ts";
import type { LeaderboardEntryRow } from "../../db/schema.ts";
import type { LeaderboardRow } from "../../db/windows.ts";
import { isEnsembleModel } from "../../domain/ensembles.ts";
import { flagParameter, strictQuery, toIso } from "../contract/common.ts";
import {
  type LeaderboardEntry,
  type LeaderboardView,
  leaderboardQuery,
  leaderboardRow,
  leaderboardView,
} from "../contract/leaderboard.ts";
import type { ApiDeps, App } from "../deps.ts";
import { leaderboardCache, type Prepared } from "../leaderboard-cache.ts";

/** The newest stored leaderboard; nothing is computed here. */
export function leaderboardRoutes(app: App, { db, competition: { competition }, now }: ApiDeps): void {
  const cached = leaderboardCache(db, now);
  const config = { tier: "public", errors: [422] } as const;
  app.get(
    "/reports/leaderboard",
    {
      config,
      schema: {
        operationId: "getLeaderboard",
        tags: ["leaderboard"],
        summary: "Models by rank",
        querystring: leaderboardQuery,
        response: { 200: z.array(leaderboardRow) },
      },
    },
    async (request, reply) => {
      const all = request.query.include_ensembles;
      return send(request, reply, await cached(`legacy ${all}`, (board) => legacyRows(board, all))) as never;
    },
  );
  app.get(
    "/v1/leaderboard",
    {
      config: { tier: "public", errors: [400] },
      schema: {
        operationId: "getLeaderboardV1",
        tags: ["leaderboard"],
        summary: "Models by rank, with how much of each window is covered",
        querystring: strictQuery({ include_ensembles: flagParameter }),
        response: { 200: leaderboardView },
      },
    },
    async (request, reply) => {
      const all = request.query.include_ensembles;
      return send(request, reply, await cached(`v1 ${all}`, (board) => viewOf(board, competition, all))) as never;
    },
  );
}

/** 304 where the caller has this very answer. */
function send(request: FastifyRequest, reply: FastifyReply, { body, etag }: Prepared): FastifyReply {
  reply.header("etag", etag).header("cache-control", "max-age=1");
  const known = request.headers["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known?.includes(etag) || known?.includes("*")) return reply.code(304).send();
  return reply.type("application/json; charset=utf-8").send(body);
}

function legacyRows(board: LeaderboardRow | null, includeEnsembles: boolean): z.infer<typeof leaderboardRow>[] {
  if (!board) return [];
  const created_at = toIso(board.created_at);
  return board.entries_jsonb
    .filter((entry) => includeEnsembles || !isEnsembleModel(entry.model_id))
    .map(({ model_id, model_name, cruncher_name, rank, score }) => ({
      created_at,
      model_id,
      score_metrics: score.metrics,
      score_ranking: score.ranking,
      ...score.metrics,
      rank,
      model_name,
      cruncher_name,
    }));
}

function viewOf(
  board: LeaderboardRow | null,
  { ranking, windows, metrics }: Competition,
  includeEnsembles: boolean,
): LeaderboardView {
  const entries = board?.entries_jsonb ?? [];
  return {
    window_end: board ? toIso(board.window_end) : null,
    created_at: board ? toIso(board.created_at) : null,
    ranking: { key: ranking.key, direction: ranking.direction },
    windows: windows.map(({ name, hours }) => ({ name, hours })),
    metrics: [...metrics],
    data: entries.filter((entry) => includeEnsembles || !isEnsembleModel(entry.model_id)).map(entryView),
  };
}

/** Boards that earlier versions stored lack what came later. */
const entryView = ({ score, ...entry }: LeaderboardEntryRow): LeaderboardEntry => ({
  ...entry,
  metrics: score.metrics,
  missed: entry.missed ?? 0,
  by_scope: entry.by_scope ?? {},
  participation: entry.participation ?? null,
  rank_change: entry.rank_change ?? null,
  rank_interval: entry.rank_interval ?? null,
  newcomer: entry.newcomer ?? false,
  provisional: entry.provisional ?? false,
  former: entry.former ?? [],
});
