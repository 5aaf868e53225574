import { z } from "zod";
import { isoTime } from "./common.ts";

const units = z.string().meta({ description: "smallest units: lamports, or the token's", examples: ["350000000"] });

const recipient = z.object({
  wallet: z.string(),
  account: z
    .string()
    .nullable()
    .meta({ description: "the wallet's token account; null: SOL goes to the wallet itself" }),
  amount: units,
});
const payoutBatch = z.object({
  part: z.number().int(),
  marker: z.string().meta({ description: "account that exists on chain once the batch was paid, and never twice" }),
  recipients: z.array(recipient),
  amount: units,
  status: z.enum(["PLANNED", "SENT", "FINAL"]),
  tx_hash: z.string().nullable(),
  finished_at: isoTime.nullable(),
  cause: z.string().nullable().meta({ description: "why it does not go on" }),
});
export const payoutList = z.object({
  mint: z.string().nullable().meta({ description: "of the token that is paid; null: SOL" }),
  decimals: z.number().int(),
  amount: units,
  final_amount: units,
  data: z.array(payoutBatch),
  next_cursor: z.null(),
});
export type PayoutList = z.infer<typeof payoutList>;
