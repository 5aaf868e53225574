import { z } from "zod";

export const leaderboardColumn = z.object({
  id: z.number().int(),
  type: z.enum(["MODEL", "VALUE", "USERNAME", "CHART"]),
  property: z.string(),
  format: z.string().nullable(),
  displayName: z.string(),
  tooltip: z.string().nullable(),
  nativeConfiguration: z.record(z.string(), z.unknown()).nullable(),
  order: z.number().int(),
});
export const metricsWidget = z.object({
  id: z.number().int(),
  type: z.enum(["CHART", "IFRAME"]),
  displayName: z.string(),
  tooltip: z.string().nullable(),
  order: z.number().int(),
  endpointUrl: z.string(),
  nativeConfiguration: z.record(z.string(), z.unknown()).nullable(),
});
export const reportSchema = z.object({
  schema_version: z.literal("1"),
  leaderboard_columns: z.array(leaderboardColumn),
  metrics_widgets: z.array(metricsWidget),
});
export type LeaderboardColumn = z.infer<typeof leaderboardColumn>;
export type MetricsWidget = z.infer<typeof metricsWidget>;
