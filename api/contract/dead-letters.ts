import { z } from "zod";
import { isoTime, limitParameter, strictQuery, textParameter } from "./common.ts";

const STATUSES = ["OPEN", "RETRYING", "RETRIED", "EXCUSED"] as const;
const letterNumber = z.string().regex(/^\d{1,18}$/, "the number of a dead letter");
const reason = textParameter(500).refine((text) => text.trim() !== "", "must not be empty");
/** who decided, as the audit log shall name it */
const actor = textParameter(100)
  .refine((text) => text.trim() !== "", "must not be empty")
  .default("api");

export const deadLettersQuery = strictQuery({
  status: z.enum(STATUSES).optional(),
  model_id: textParameter(200).optional(),
  round_id: textParameter(200).optional(),
  cursor: letterNumber.optional(),
  limit: limitParameter(100, 1_000),
});
export const deadLetterParameters = z.object({ id: letterNumber });
export const retryBody = z.strictObject({ actor, reason: reason.optional() });
export const excuseBody = z.strictObject({ actor, reason });

export const deadLetter = z.object({
  id: z.string(),
  prediction_id: z.string(),
  round_id: z.string(),
  model_id: z.string(),
  stage: z.string(),
  /** what the scorer said last; null for whoever does not run this node: it may quote what a model answered */
  error: z.string().nullable(),
  attempts: z.number().int(),
  status: z.enum(STATUSES),
  actor: z.string().nullable(),
  reason: z.string().nullable(),
  created_at: isoTime,
  settled_at: isoTime.nullable(),
});
/** `next_cursor` is the cursor of the next page; null: this was the last */
export const deadLetterList = z.object({ data: z.array(deadLetter), next_cursor: z.string().nullable() });
