import { z } from "zod";
import { zonelessTime } from "./common.ts";

export const modelRow = z.object({
  model_id: z.string(),
  model_name: z.string(),
  cruncher_name: z.string(),
  cruncher_id: z.string(),
  deployment_id: z.string(),
});

/** One snapshot, its summary flat. */
export const modelMetricsRow = z.looseObject({
  model_id: z.string(),
  performed_at: zonelessTime,
  prediction_count: z.number().int(),
});
