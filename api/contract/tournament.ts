import { z } from "zod";
import { TOURNAMENT_ID } from "../../domain/tournament.ts";
import { jsonObject } from "./common.ts";

const MOST_FEATURES = 10_000;

export const tournamentParameters = z.object({
  id: z.string().regex(TOURNAMENT_ID, "1 to 64 letters, digits, _ . : and - only"),
});
export const inferenceBody = z.strictObject({
  features: z.array(jsonObject).min(1, "at least one feature").max(MOST_FEATURES),
});
/** A list in the order of feature_index, null where the truth is not known yet; or an object with feature_index as key. */
export const scoreBody = z.strictObject({
  ground_truth: z.union([
    z.array(z.unknown()).min(1).max(MOST_FEATURES),
    z.record(z.string().regex(/^\d{1,5}$/, "a feature_index"), z.unknown()),
  ]),
});

const status = z
  .enum(["not_found", "inferring", "inference_complete", "partial", "scored"])
  .describe("inferring is ours: the models are still being asked");
const round = z.object({
  round_id: z.string(),
  model_count: z.number().int(),
  prediction_count: z.number().int(),
  status,
});
export const inferenceAnswer = round;
export const tournamentStatus = round.extend({
  feature_count: z.number().int(),
  truth_count: z.number().int(),
  scores_count: z.number().int(),
});
export const scoreAnswer = z.object({
  round_id: z.string(),
  scores_count: z.number().int(),
  results: z.array(
    z.object({
      feature_index: z.number().int(),
      model_id: z.string(),
      prediction_id: z.string(),
      status: z.string(),
      success: z.boolean(),
      value: z.number().nullable(),
      result: jsonObject,
      failed_reason: z.string().nullable(),
    }),
  ),
  status,
});
