import { z } from "zod";
import { isoTime, jsonObject, limitParameter, textParameter, timeParameter } from "./common.ts";

export const snapshotRow = z.object({
  id: z.string(),
  model_id: z.string(),
  period_start: isoTime,
  period_end: isoTime,
  prediction_count: z.number().int(),
  result_summary: jsonObject,
  created_at: isoTime,
});
export const snapshotsQuery = z.object({
  model_id: textParameter(200).optional(),
  since: timeParameter.optional(),
  until: timeParameter.optional(),
  limit: limitParameter(100, 1_000),
});
