import { z } from "zod";
import { isoTime, jsonObject, limitParameter, strictQuery, textParameter, timeParameter } from "./common.ts";
import { PREDICTION_STATUSES } from "./predictions.ts";

const ROUND_STATUSES = ["COLLECTING", "WAITING", "RESOLVED", "SCORED", "MISSED", "UNRESOLVABLE", "VOIDED"] as const;

const roundCounts = z.object({
  called: z.number().int(),
  answered: z.number().int(),
  failed: z.number().int(),
  timed_out: z.number().int(),
  absent: z.number().int(),
});
export const round = z.object({
  id: z.string(),
  scope_key: z.string(),
  status: z.enum(ROUND_STATUSES),
  reason: z.string().nullable(),
  due_at: isoTime,
  resolve_at: isoTime,
  collected_at: isoTime.nullable(),
  finished_at: isoTime.nullable(),
  counts: roundCounts,
});
export type Round = z.infer<typeof round>;

export const roundsQuery = strictQuery({
  status: z.enum(ROUND_STATUSES).optional(),
  scope_key: textParameter(100).optional(),
  since: timeParameter.optional(),
  until: timeParameter.optional(),
  limit: limitParameter(100, 1_000),
});
export const roundParameters = z.object({ id: textParameter(200) });
export const roundList = z.object({ data: z.array(round), next_cursor: z.null() });

export const roundPrediction = z.object({
  id: z.string(),
  model_id: z.string(),
  deployment_id: z.string(),
  status: z.enum(PREDICTION_STATUSES),
  reason: z.string().nullable(),
  exec_time_us: z.number().int(),
  performed_at: isoTime,
  /** absent for callers without a key as long as the round is open, where a key is set */
  output: jsonObject.nullable().optional(),
  score: z
    .object({
      value: z.number().nullable(),
      success: z.boolean(),
      failed_reason: z.string().nullable(),
      result: jsonObject,
      scorer_hash: z.string(),
      scored_at: isoTime,
    })
    .nullable(),
});
export const roundView = round.extend({
  scope: jsonObject,
  deadline_at: isoTime,
  give_up_at: isoTime,
  contract_hash: z.string(),
  input_id: z.string().nullable(),
  callees: z.array(z.string()).nullable().meta({ description: "models that it calls; null: everybody" }),
  void_id: z.string().nullable().meta({ description: "the block of rounds that was declared void (/v1/voids)" }),
  tournament_id: z.string().nullable().meta({ description: "the tournament round whose feature this is" }),
  truth: z.object({ result: jsonObject, evidence: jsonObject, resolved_at: isoTime }).nullable(),
  predictions: z.array(roundPrediction),
});
