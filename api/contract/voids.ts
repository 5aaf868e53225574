import { z } from "zod";
import { isoTime, textParameter, timeParameter } from "./common.ts";

const text = (what: string, most: number) =>
  textParameter(most).refine((value) => value.trim() !== "", `${what} must not be empty`);

/** Due times, half-open; one scope, or all of them. */
export const voidBody = z
  .strictObject({
    from: timeParameter,
    to: timeParameter,
    scope_key: text("scope_key", 100).optional(),
    reason: text("reason", 500),
    /** who decided, as the audit log shall name it */
    actor: text("actor", 100).default("api"),
  })
  .refine(({ from, to }) => from < to, { path: ["to"], message: "must be later than from" });

export const voidRow = z.object({
  id: z.string(),
  actor: z.string(),
  reason: z.string(),
  scope_key: z.string().nullable(),
  from: isoTime,
  to: isoTime,
  rounds: z.number().int(),
  predictions: z.number().int(),
  scores: z.number().int(),
  created_at: isoTime,
});
export const voidList = z.object({ data: z.array(voidRow), next_cursor: z.null() });
export const voidResult = voidRow.pick({ id: true, rounds: true, predictions: true, scores: true });
