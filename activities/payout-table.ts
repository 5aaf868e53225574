import type { PayoutBatchRow } from "../db/payouts.ts";
import { markdownText } from "../domain/markdown.ts";

/** Rows shown at most; the API has all. */
const SHOWN = 40;
const SHOWN_CAUSE = 300;
const SOL_DECIMALS = 9;

/** An amount of smallest units as people read it: 1500000 with 6 decimals is 1.5. */
export function amountText(units: bigint, mint: string | null, decimals: number | null): string {
  const places = mint === null ? SOL_DECIMALS : (decimals ?? 0);
  const digits = String(units).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  return `${whole}${fraction === "" ? "" : `.${fraction}`} ${mint === null ? "SOL" : `of ${mint}`}`;
}

/** The batches of a checkpoint as Markdown, for the Temporal UI. Empty where nobody is paid. */
export function payoutTable(rows: readonly PayoutBatchRow[]): string {
  const [first] = rows;
  if (!first) return "";
  const total = rows.reduce((sum, row) => sum + BigInt(row.amount), 0n);
  const final = rows.filter((row) => row.status === "FINAL").length;
  // Open ones first: they are what a person looks for.
  const shown = [...rows].sort(
    (a, b) => Number(a.status === "FINAL") - Number(b.status === "FINAL") || a.part - b.part,
  );
  const lines = shown.slice(0, SHOWN).map((row) => {
    const { part, status, recipients_jsonb, amount, tx_hash, cause } = row;
    const what = cause ?? tx_hash ?? "";
    return `| ${part} | ${status} | ${recipients_jsonb.length} | ${amount} | ${markdownText(what, SHOWN_CAUSE)} |`;
  });
  const rest = rows.length - lines.length;
  return [
    `Payouts: ${final} of ${rows.length} batches final, ${amountText(total, first.mint, first.decimals)} in all`,
    "",
    "| batch | status | recipients | smallest units | transaction, or why not yet |",
    "|---|---|---|---|---|",
    ...lines,
    ...(rest > 0 ? ["", `and ${rest} more`] : []),
  ].join("\n");
}
