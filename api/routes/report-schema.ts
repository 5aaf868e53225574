import { z } from "zod";
import type { Competition } from "../../competitions/competition.ts";
import {
  type LeaderboardColumn,
  leaderboardColumn,
  type MetricsWidget,
  metricsWidget,
  reportSchema,
} from "../contract/report-schema.ts";
import type { ApiDeps, App } from "../deps.ts";

/** What hub pages draw from: columns of the leaderboard and widgets, both from the contract. */
export function reportSchemaRoutes(app: App, { competition: { competition } }: ApiDeps): void {
  const leaderboard_columns = z
    .array(leaderboardColumn)
    .parse(competition.leaderboardColumns ?? columnsOf(competition));
  const metrics_widgets = z.array(metricsWidget).parse(competition.metricsWidgets ?? widgetsOf(competition));
  const tags = ["schema"];
  const config = { tier: "public" } as const;
  app.get(
    "/reports/schema",
    {
      config,
      schema: { operationId: "getReportSchema", tags, summary: "Columns and widgets", response: { 200: reportSchema } },
    },
    async () => ({ schema_version: "1" as const, leaderboard_columns, metrics_widgets }),
  );
  app.get(
    "/reports/schema/leaderboard-columns",
    {
      config,
      schema: {
        operationId: "getLeaderboardColumns",
        tags,
        summary: "Columns of the leaderboard",
        response: { 200: z.array(leaderboardColumn) },
      },
    },
    async () => leaderboard_columns,
  );
  app.get(
    "/reports/schema/metrics-widgets",
    {
      config,
      schema: {
        operationId: "getMetricsWidgets",
        tags,
        summary: "Charts of the metrics page",
        response: { 200: z.array(metricsWidget) },
      },
    },
    async () => metrics_widgets,
  );
}

const LABEL: Record<string, [name: string, tooltip: string]> = {
  ic: ["IC", "Rank correlation of predictions and outcomes"],
  mean_return: ["Mean return", "Mean outcome in the predicted direction"],
  hit_rate: ["Hit rate", "Share of predictions with the right direction"],
  max_drawdown: ["Max drawdown", "Deepest fall of the summed score below its peak"],
  sortino_ratio: ["Sortino", "Mean outcome over downside deviation"],
};
/** A return of one step is a small number. */
const METRIC_FORMAT: Record<string, string> = { hit_rate: "percentage", mean_return: "decimal-6" };
const words = (name: string): string => name.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());

function columnsOf({ windows, metrics }: Competition): LeaderboardColumn[] {
  const value = (property: string, displayName: string, tooltip: string | null, format: string) => ({
    type: "VALUE" as const,
    property,
    displayName,
    tooltip,
    format,
  });
  const columns = [
    { type: "MODEL" as const, property: "model_id", displayName: "Model", tooltip: null, format: null },
    { type: "USERNAME" as const, property: "cruncher_name", displayName: "Cruncher", tooltip: null, format: null },
    ...windows.map((w) => value(w.name, `Score ${w.hours} h`, `Mean score of the last ${w.hours} hours`, "decimal-4")),
    ...metrics.map((name) =>
      value(name, LABEL[name]?.[0] ?? words(name), LABEL[name]?.[1] ?? null, METRIC_FORMAT[name] ?? "decimal-4"),
    ),
  ];
  return columns.map((column, i) => ({ id: i + 1, ...column, nativeConfiguration: null, order: i }));
}

function widgetsOf({ windows, metrics }: Competition): MetricsWidget[] {
  const chart = (displayName: string, endpointUrl: string, tooltip: string, names: readonly string[]) => ({
    type: "CHART" as const,
    displayName,
    tooltip,
    endpointUrl,
    nativeConfiguration: {
      type: "line",
      xAxis: { name: "performed_at" },
      yAxis: { series: names.map((name) => ({ name, label: LABEL[name]?.[0] ?? words(name) })), format: "decimal-4" },
      displayEvolution: false,
      groupByProperty: "model_id",
    },
  });
  const widgets = [
    chart(
      "Score over time",
      "/reports/models/global",
      "Window scores at each leaderboard",
      windows.map((w) => w.name),
    ),
    chart("Metrics", "/reports/models/metrics", "Metrics of each scoring window", metrics),
  ];
  return widgets.map((widget, i) => ({ id: i + 1, order: i + 1, ...widget }));
}
