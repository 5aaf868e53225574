import Fastify from "fastify";
import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import { expect, test } from "vitest";
import type { Competition } from "../../competitions/competition.ts";
import { defineCompetition } from "../../competitions/define.ts";
import type { ApiDeps, App } from "../deps.ts";
import { reportSchemaRoutes } from "./report-schema.ts";

async function schemaOf(own: Partial<Competition>) {
  const competition = { ...defineCompetition({ id: "own", score: () => ({ value: 1 }) }), ...own };
  const app = Fastify().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler);
  reportSchemaRoutes(app as unknown as App, { competition: { competition } } as unknown as ApiDeps);
  return (await app.inject("/reports/schema")).json();
}

test("a contract without columns of its own gets one for each window and metric, and two charts", async () => {
  const schema = await schemaOf({
    windows: [{ name: "today", hours: 24 }],
    metrics: ["ic", "hit_rate", "profit_factor"],
  });
  expect(
    schema.leaderboard_columns.map((c: Record<string, unknown>) => [c.id, c.property, c.displayName, c.format]),
  ).toEqual([
    [1, "model_id", "Model", null],
    [2, "cruncher_name", "Cruncher", null],
    [3, "today", "Score 24 h", "decimal-4"],
    [4, "ic", "IC", "decimal-4"],
    [5, "hit_rate", "Hit rate", "percentage"],
    [6, "profit_factor", "Profit factor", "decimal-4"],
  ]);
  expect(schema.metrics_widgets.map((w: Record<string, unknown>) => w.endpointUrl)).toEqual([
    "/reports/models/global",
    "/reports/models/metrics",
  ]);
});

test("its own are shown as they are; one that is none stops the start", async () => {
  const column = {
    id: 7,
    type: "VALUE",
    property: "x",
    format: null,
    displayName: "X",
    tooltip: null,
    nativeConfiguration: null,
    order: 3,
  };
  const schema = await schemaOf({ leaderboardColumns: [column], metricsWidgets: [] });
  expect(schema).toEqual({ schema_version: "1", leaderboard_columns: [column], metrics_widgets: [] });
  await expect(schemaOf({ leaderboardColumns: [{ ...column, type: "NUMBER" }] })).rejects.toThrow("VALUE");
});
