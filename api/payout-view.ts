import { z } from "zod";
import type { PayoutBatchRow } from "../db/payouts.ts";
import { toIsoOrNull } from "./contract/common.ts";
import type { PayoutList } from "./contract/payouts.ts";

const SOL_DECIMALS = 9;
const frozen = z.array(z.object({ to: z.string(), amount: z.string(), account: z.string().optional() }));

/** The payout batches of one checkpoint; nothing is paid where there are none. */
export function payoutListOf(rows: readonly PayoutBatchRow[]): PayoutList {
  const total = (of: readonly PayoutBatchRow[]) => String(of.reduce((sum, row) => sum + BigInt(row.amount), 0n));
  return {
    mint: rows[0]?.mint ?? null,
    decimals: rows[0]?.decimals ?? SOL_DECIMALS,
    amount: total(rows),
    final_amount: total(rows.filter((row) => row.status === "FINAL")),
    data: rows.map(({ part, marker, recipients_jsonb, amount, status, tx_hash, finished_at, cause }) => ({
      ...{ part, marker, amount, status, tx_hash, cause },
      recipients: frozen
        .parse(recipients_jsonb)
        .map(({ to, amount, account }) => ({ wallet: to, account: account ?? null, amount })),
      finished_at: toIsoOrNull(finished_at),
    })),
    next_cursor: null,
  };
}
