import { z } from "zod";
import type { SealedRule } from "../domain/emission/rule.ts";

const ranked = z.object({
  ...{ model_id: z.string(), model_name: z.string(), cruncher_id: z.string(), cruncher_name: z.string().default("") },
  ...{ rank: z.number(), value: z.number(), prediction_count: z.number(), snapshot_count: z.number().default(0) },
  result_summary: z.record(z.string(), z.number()).default({}),
  reward_frac64: z.number().int(),
});
const recipient = z.object({
  ...{ cruncher_id: z.string(), name: z.string(), address: z.string() },
  ...{ cruncher_index: z.number().int(), frac64: z.number().int() },
});

/** What a seal writes beside the entries; what an older version left out is empty. */
export const sealedMeta = z.object({
  snapshot_count: z.number().int().default(0),
  model_count: z.number().int().default(0),
  ranked_by: z.object({ field: z.string(), key: z.string(), direction: z.enum(["asc", "desc"]) }).optional(),
  ranking: z.array(ranked).default([]),
  recipients: z.array(recipient).default([]),
  emission_rule: z.custom<SealedRule>((rule) => typeof rule === "object" && rule !== null).nullish(),
});
