import { z } from "zod";

const bytes = z
  .tuple([z.base64(), z.literal("base64")])
  .transform(([text]) => new Uint8Array(Buffer.from(text, "base64")));
const account = z.object({ owner: z.string(), space: z.bigint(), lamports: z.bigint(), data: bytes }).nullable();
const context = z.object({ slot: z.bigint().nonnegative() });
const transactionError = z.unknown().transform((err) => (err === undefined ? null : err));
const status = z.object({ err: transactionError, confirmationStatus: z.enum(["processed", "confirmed", "finalized"]) });

export type AccountInfo = z.output<typeof account>;
export type Account = NonNullable<AccountInfo>;
export type Status = z.output<typeof status>;

/** Shapes of what JSON-RPC answers, as far as the adapter reads it. */
export const answers = {
  hash: z.string().min(32).max(44),
  signature: z.string().min(64).max(88),
  bigint: z.bigint().nonnegative(),
  accounts: z.object({ context, value: z.array(account) }),
  blockhash: z.object({
    context,
    value: z.object({ blockhash: z.string().min(32).max(44), lastValidBlockHeight: z.bigint() }),
  }),
  balance: z.object({ context, value: z.bigint() }),
  statuses: z.object({ value: z.array(status.nullable()) }),
  simulation: z.object({
    context,
    value: z.object({
      err: transactionError,
      logs: z.array(z.string()).nullable(),
      unitsConsumed: z.bigint().optional(),
    }),
  }),
  signatures: z.array(z.object({ signature: z.string(), err: transactionError })),
  transaction: z.object({ transaction: z.tuple([z.string(), z.literal("base64")]) }).nullable(),
  fees: z.array(z.object({ prioritizationFee: z.bigint().nonnegative() })),
};
