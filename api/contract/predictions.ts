import { z } from "zod";
import { isoTime, jsonObject, limitParameter, rangeParameters, textParameter } from "./common.ts";

export const PREDICTION_STATUSES = [
  "PENDING",
  "SCORED",
  "FAILED",
  "TIMEOUT",
  "ABSENT",
  "UNRESOLVABLE",
  "VOIDED",
] as const;
/** Rows of one answer at most; narrow the range for the rest. */
const MOST_PREDICTIONS = 5_000;

export const predictionRow = z.object({
  model_id: z.string(),
  prediction_config_id: z.string(),
  scope_key: z.string(),
  scope: jsonObject,
  score_value: z.number().nullable(),
  score_failed: z.boolean(),
  score_failed_reason: z.string().nullable(),
  scored_at: isoTime.nullable(),
  performed_at: isoTime,
});
export const predictionsQuery = rangeParameters.extend({
  scope_key: textParameter(100).optional(),
  status: z.enum(PREDICTION_STATUSES).optional(),
  limit: limitParameter(1_000, MOST_PREDICTIONS),
});
