import { z } from "zod";
import { listSnapshots } from "../../db/snapshots.ts";
import { toIso } from "../contract/common.ts";
import { snapshotRow, snapshotsQuery } from "../contract/snapshots.ts";
import type { ApiDeps, App } from "../deps.ts";

/** What each model did in each scoring window: an auditor needs it, so it is public. */
export function snapshotRoutes(app: App, { db }: ApiDeps): void {
  app.get(
    "/reports/snapshots",
    {
      config: { tier: "public", errors: [422] },
      schema: {
        operationId: "listSnapshots",
        tags: ["snapshots"],
        summary: "The newest `limit` snapshots that match, oldest first",
        querystring: snapshotsQuery,
        response: { 200: z.array(snapshotRow) },
      },
    },
    async ({ query }) => {
      const models = query.model_id === undefined ? undefined : [query.model_id];
      const range = { from: query.since, to: query.until, limit: query.limit };
      const rows = await listSnapshots(db, { models, everything: true, ...range });
      return rows.map((s) => ({
        id: s.id,
        model_id: s.model_id,
        period_start: toIso(s.period_start),
        period_end: toIso(s.period_end),
        prediction_count: s.prediction_count,
        result_summary: s.result_summary_jsonb,
        created_at: toIso(s.created_at),
      }));
    },
  );
}
