import { expect, test } from "vitest";
import type { PayoutBatchRow } from "../db/payouts.ts";
import { amountText, payoutTable } from "./payout-table.ts";

const row = (part: number, of: Partial<PayoutBatchRow> = {}) =>
  ({
    ...{ part, status: "PLANNED", recipients_jsonb: [{}, {}], amount: "1000000", mint: "Mint", decimals: 6 },
    ...{ tx_hash: null, cause: null, ...of },
  }) as PayoutBatchRow;

test("amounts as people read them", () => {
  expect(amountText(1_500_000n, "Mint", 6)).toBe("1.5 of Mint");
  expect(amountText(7n, "Mint", 6)).toBe("0.000007 of Mint");
  expect(amountText(12n, "Mint", 0)).toBe("12 of Mint");
  expect(amountText(1_000_000_007n, null, null)).toBe("1.000000007 SOL");
});

test("open batches first, each with its transaction or its cause; nothing where nobody is paid", () => {
  const table = payoutTable([row(1, { status: "FINAL", tx_hash: "sig1" }), row(2, { cause: "REFUSED: a | b" })]);
  expect(table.split("\n")).toEqual([
    "Payouts: 1 of 2 batches final, 2 of Mint in all",
    "",
    "| batch | status | recipients | smallest units | transaction, or why not yet |",
    "|---|---|---|---|---|",
    "| 2 | PLANNED | 2 | 1000000 | REFUSED\\: a \\| b |",
    "| 1 | FINAL | 2 | 1000000 | sig1 |",
  ]);
  expect(payoutTable([])).toBe("");
});

test("of many batches the first 40 are shown", () => {
  const table = payoutTable(Array.from({ length: 43 }, (_, i) => row(i + 1)));
  expect(table).toContain("| 40 |");
  expect(table).not.toContain("| 41 |");
  expect(table.endsWith("and 3 more")).toBe(true);
});
