import { z } from "zod";
import { isoTime, textParameter, timeParameter } from "./common.ts";

const share = z.number().finite().min(0);

/** What to change; what is left out stays as it was sealed, or as the contract has it. */
const change = {
  strategy: z.enum(["tier", "contribution_weighted"]).optional(),
  tiers: z
    .array(share)
    .min(1)
    .max(1_000)
    .optional()
    .meta({ description: "percent of the first place, the second and so on", examples: [[50, 30, 20]] }),
  weights: z.strictObject({ rank: share, contribution: share, diversity: share }).optional(),
  min_percent: share.optional(),
  exclude: z
    .array(textParameter(200))
    .max(1_000)
    .optional()
    .meta({ description: "models or crunchers, by id or name" }),
  from: timeParameter.optional(),
  to: timeParameter.optional(),
};
export const whatIfBody = z.strictObject(change);
export type WhatIfBody = z.output<typeof whatIfBody>;

const frac64 = z.string().meta({ description: "of 1,000,000,000", examples: ["350000000"] });
const beforeAfter = <T extends z.ZodType>(of: T) => z.object({ before: of.nullable(), after: of.nullable() });
const rule = z.looseObject({ strategy: z.enum(["tier", "contribution_weighted", "custom"]) });

export const whatIfAnswer = z.object({
  checkpoint: z.string().nullable().meta({ description: "null: the period is not sealed yet" }),
  /** scoring windows that ended in (from, to] */
  from: isoTime,
  to: isoTime,
  ranked_by: z.object({ field: z.string(), direction: z.enum(["asc", "desc"]) }),
  rule: z.object({ before: rule.nullable(), after: rule }),
  crunchers: z.array(
    z.object({
      ...{ cruncher_id: z.string(), cruncher_name: z.string() },
      frac64: z.object({ before: frac64, after: frac64, difference: frac64 }),
    }),
  ),
  models: z.array(
    z.object({
      ...{ model_id: z.string(), model_name: z.string(), cruncher_id: z.string() },
      ...{ rank: beforeAfter(z.number().int()), value: beforeAfter(z.number()) },
      frac64: z.object({ before: frac64, after: frac64 }),
    }),
  ),
});
export type WhatIfAnswer = z.output<typeof whatIfAnswer>;
