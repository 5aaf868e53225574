import { z } from "zod";
import { checkpointRow } from "./checkpoints.ts";
import { isoTime, limitParameter, textParameter } from "./common.ts";

const percent = z.number().meta({ description: "percent of the emission", examples: [37.5] });
const percents = z.record(z.string(), percent);
const wholeUnits = z
  .string()
  .regex(/^\d{1,16}$/, "a whole number of the token's smallest units (1 USDC is 1000000), at most 2^53")
  .transform(Number)
  .refine((n) => n <= Number.MAX_SAFE_INTEGER, "at most 2^53");

export const prizesQuery = z.object({ total_prize: wholeUnits.optional() });
const prize = z.object({
  prizeId: z.string().meta({ examples: ["CKP_20261116_000000-42"] }),
  timestamp: z.number().int().meta({ description: "end of the period, Unix seconds" }),
  model: z.string(),
  prize: z.number().int().meta({ description: "in the token's smallest unit" }),
});
export const prizeList = z.array(prize);
export const latestPrizes = checkpointRow.pick({ status: true, period_start: true, period_end: true }).extend({
  checkpoint_id: z.string(),
  total_prize: z.number().int(),
  prizes: prizeList,
});

/** The file of `crunch emission-checkpoint-add`. */
export const cliFormatFile = z.object({
  crunch: z.string(),
  crunchEmission: percents.meta({ description: "by wallet; by model id in a competition with compat: crunch-node" }),
  computeProvider: percents,
  dataProvider: percents,
});

export const rewardsQuery = z.object({
  model_id: textParameter(200).optional(),
  /** newest checkpoints that are looked at */
  limit: limitParameter(20, 100),
});
/** Beside these, every mean of the period by its name. */
export const rewardRow = z.looseObject({
  ...{ checkpoint_id: z.string(), period_start: isoTime, period_end: isoTime },
  ...{ model_id: z.string(), model_name: z.string().nullable(), rank: z.number().int() },
  reward_pct: percent.nullable().meta({ description: "null: nothing is decided yet" }),
  prediction_count: z.number().int(),
});
