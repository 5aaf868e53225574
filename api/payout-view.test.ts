import { expect, test } from "vitest";
import type { PayoutBatchRow } from "../db/payouts.ts";
import { payoutList } from "./contract/payouts.ts";
import { payoutListOf } from "./payout-view.ts";

const row = (part: number, of: Partial<PayoutBatchRow>): PayoutBatchRow => ({
  ...{ checkpoint_id: "CKP_1", part, marker: `marker${part}`, hash: "", plan_jsonb: {}, recipients_jsonb: [] },
  ...{ amount: "0", mint: null, decimals: null, status: "PLANNED", tx_hash: null, finished_at: null, cause: null },
  ...{ context_slot: null, ...of },
});

test("batches with wallets, token accounts, what is final and why the rest is not", () => {
  const list = payoutListOf([
    row(1, {
      ...{ status: "FINAL", amount: "1500000", mint: "Mint", decimals: 6, tx_hash: "sig" },
      ...{ recipients_jsonb: [{ to: "w1", account: "a1", amount: "1500000" }], finished_at: new Date(0) },
    }),
    row(2, {
      ...{ amount: "7", mint: "Mint", decimals: 6, cause: "REFUSED: frozen" },
      recipients_jsonb: [{ to: "w2", account: "a2", amount: "7" }],
    }),
  ]);
  expect(payoutList.parse(list)).toEqual(list);
  expect(list).toMatchObject({ mint: "Mint", decimals: 6, amount: "1500007", final_amount: "1500000" });
  expect(list.data[0]).toEqual({
    ...{ part: 1, marker: "marker1", amount: "1500000", status: "FINAL", tx_hash: "sig", cause: null },
    ...{ recipients: [{ wallet: "w1", account: "a1", amount: "1500000" }], finished_at: "1970-01-01T00:00:00.000Z" },
  });
  expect(list.data[1]).toMatchObject({ status: "PLANNED", cause: "REFUSED: frozen", tx_hash: null });
});

test("SOL goes to the wallet itself; nobody paid is an empty list", () => {
  const list = payoutListOf([row(1, { amount: "5", recipients_jsonb: [{ to: "w1", amount: "5" }] })]);
  expect(list).toMatchObject({ mint: null, decimals: 9 });
  expect(list.data[0]!.recipients).toEqual([{ wallet: "w1", account: null, amount: "5" }]);
  expect(payoutListOf([])).toEqual({
    ...{ mint: null, decimals: 9, amount: "0", final_amount: "0", data: [], next_cursor: null },
  });
});
