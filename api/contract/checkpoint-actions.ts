import { z } from "zod";
import { isoTime, textParameter } from "./common.ts";

const text = (most: number) => textParameter(most).refine((value) => value.trim() !== "", "must not be empty");

/** Off LOCAL a decision is signed: `almanac checkpoint sign` prints all of this, and the Idempotency-Key is its `key`. */
const signed = {
  actor: text(100).optional().meta({ description: "LOCAL only: who decides" }),
  key: text(200).optional(),
  expires_at: isoTime.optional(),
  approver: text(50).optional().meta({ description: "address of the signing key" }),
  signature: z
    .string()
    .regex(/^[0-9a-f]{128}$/i, "Ed25519, 64 bytes as hex")
    .optional(),
};
export const approvalBody = z.strictObject({ reason: text(500).optional(), ...signed });
export const submissionBody = z.strictObject({
  action: z
    .enum(["retry", "retryBlocked"])
    .optional()
    .meta({ description: "absent: the one that is open in the checkpoint's phase" }),
  reason: text(500).optional(),
  ...signed,
});
export const voidingBody = z.strictObject({ reason: text(500), ...signed });

const status = z.enum(["PENDING", "SUBMITTED", "CLAIMABLE", "PAID", "VOID"]);
export const decisionResult = z.object({
  id: z.string(),
  action: z.enum(["approve", "retry", "retryBlocked", "void", "confirm"]),
  actor: z.string(),
  phase: z.string(),
  status,
  waits_for: z.string().nullable().meta({ description: "what else it takes before it goes on" }),
});

/** Legacy: any text is looked at, so that it is refused in the public node's words. */
export const statusBody = z.object({
  status: z.unknown().optional(),
  tx_hash: text(100).optional(),
  actor: text(100).optional(),
});
export const confirmBody = z.object({ tx_hash: z.unknown().optional(), actor: text(100).optional() });

export const decisionList = z.object({
  data: z.array(
    decisionResult.pick({ action: true, actor: true }).extend({
      at: isoTime,
      key: z.string(),
      reason: z.string().nullable(),
      statement: z.string().nullable().meta({ description: "the text that was signed" }),
      signature: z.string().nullable(),
      result: decisionResult,
    }),
  ),
  next_cursor: z.null(),
});
