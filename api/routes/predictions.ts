import { z } from "zod";
import { listPredictions, type ScoredPrediction } from "../../db/predictions.ts";
import { publicReason } from "../../domain/public-reason.ts";
import { rangeOf, toIso, toIsoOrNull } from "../contract/common.ts";
import { predictionRow, predictionsQuery } from "../contract/predictions.ts";
import type { ApiDeps, App } from "../deps.ts";

/** Predictions with their scores; outputs are shown by round. */
export function predictionRoutes(app: App, { db, now = Date.now }: ApiDeps): void {
  app.get(
    "/reports/predictions",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "listPredictions",
        tags: ["predictions"],
        summary: "The newest `limit` predictions of the range, oldest first",
        querystring: predictionsQuery,
        response: { 200: z.array(predictionRow) },
      },
    },
    async ({ query, trusted, operator }) => {
      const { start, end } = rangeOf(query, now());
      const models = query.projectIds && query.projectIds.length > 0 ? query.projectIds : undefined;
      const filter = {
        from: start,
        to: end,
        models,
        scopeKey: query.scope_key,
        status: query.status,
        ensembles: query.include_ensembles,
        limit: query.limit,
      };
      return (await listPredictions(db, { ...filter, settledOnly: !trusted })).map((row) => rowOf(row, operator));
    },
  );
}

const FAILED: readonly ScoredPrediction["status"][] = ["FAILED", "TIMEOUT", "ABSENT", "UNRESOLVABLE"];

/** TIMEOUT and UNRESOLVABLE are shown as failed, with the reason. */
function rowOf(p: ScoredPrediction, isOperator: boolean): z.infer<typeof predictionRow> {
  const failed = p.success === false || FAILED.includes(p.status);
  const reason = p.failed_reason ?? p.reason ?? p.status;
  return {
    model_id: p.model_id,
    prediction_config_id: p.prediction_config_id,
    scope_key: p.scope_key,
    scope: p.scope_jsonb,
    score_value: p.value,
    score_failed: failed,
    score_failed_reason: failed ? (isOperator ? reason : publicReason(reason)) : null,
    scored_at: toIsoOrNull(p.scored_at),
    performed_at: toIso(p.performed_at),
  };
}
