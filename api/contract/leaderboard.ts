import { z } from "zod";
import { flagParameter, isoTime, zonelessTime } from "./common.ts";

const ranking = z.object({ key: z.string(), value: z.number().nullable(), direction: z.enum(["asc", "desc"]) });
/** Windows and metrics by name; null: nothing to compute it from. */
const metricValues = z.record(z.string(), z.number().nullable());

/** Legacy: every metric stands in score_metrics and, flat, in the row. */
export const leaderboardRow = z.looseObject({
  created_at: isoTime,
  model_id: z.string(),
  score_metrics: metricValues,
  score_ranking: ranking,
  rank: z.number().int(),
  model_name: z.string(),
  cruncher_name: z.string(),
});
export const leaderboardQuery = z.object({ include_ensembles: flagParameter });

export const globalRow = z.looseObject({
  model_id: z.string(),
  score_metrics: metricValues,
  score_ranking: ranking,
  performed_at: zonelessTime,
});
export const paramsRow = z.looseObject({
  model_id: z.string(),
  scope_key: z.string(),
  scope: z.record(z.string(), z.unknown()),
  score_metrics: metricValues,
  score_ranking: ranking,
  performed_at: zonelessTime,
});

const windowCover = z.object({ hours: z.number(), covered_hours: z.number(), partial: z.boolean() });
const leaderboardEntry = z.object({
  model_id: z.string(),
  model_name: z.string(),
  cruncher_name: z.string(),
  rank: z.number().int(),
  metrics: metricValues,
  windows: z.record(z.string(), windowCover),
  prediction_count: z.number().int(),
  missed: z.number().int().meta({ description: "rounds without a valid answer in the longest window" }),
  by_scope: z.record(z.string(), metricValues).meta({ description: "windows by scope and name" }),
  participation: z.number().nullable().meta({ description: "answered share of its rounds in the ranking window" }),
  rank_change: z
    .number()
    .int()
    .nullable()
    .meta({ description: "places won (positive) or lost since the board before" }),
  rank_interval: z
    .object({ best: z.number().int(), worst: z.number().int(), shared: z.number().int() })
    .nullable()
    .meta({
      description:
        "ranks in 95 % of the bootstrap's resamples; shared: the first rank of those it cannot be told apart from",
    }),
  newcomer: z.boolean().meta({ description: "younger than the competition within the ranking window" }),
  provisional: z.boolean().meta({ description: "in its first rounds" }),
  former: z
    .array(
      z.object({
        deployment_id: z.string(),
        prediction_count: z.number().int(),
        first_at: z.string(),
        last_at: z.string(),
        windows: metricValues,
      }),
    )
    .meta({ description: "earlier deployments with a standing of their own, the newest first" }),
});
export const leaderboardView = z.object({
  /** end of the scoring window it was computed at; null: no window has been scored */
  window_end: isoTime.nullable(),
  created_at: isoTime.nullable(),
  ranking: z.object({ key: z.string(), direction: z.enum(["asc", "desc"]) }),
  windows: z.array(z.object({ name: z.string(), hours: z.number() })),
  metrics: z.array(z.string()),
  data: z.array(leaderboardEntry),
});
export type LeaderboardEntry = z.infer<typeof leaderboardEntry>;
export type LeaderboardView = z.infer<typeof leaderboardView>;
