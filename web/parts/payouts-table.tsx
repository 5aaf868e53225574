import type { PayoutList } from "../../api/contract/payouts.ts";
import { grouped, shortened } from "../format.ts";

/** Batches of transfers, each a transaction of its own that the chain takes once. */
export const PayoutsTable = ({ payouts }: { payouts: PayoutList }) => {
  if (payouts.data.length === 0) return null;
  const unit = payouts.mint === null ? "lamports" : "units";
  return (
    <div>
      <h3>Payouts</h3>
      <table className="payouts cards">
        <caption className="hidden">Payout batches</caption>
        <thead>
          <tr>
            <th scope="col">Batch</th>
            <th scope="col" className="num">
              Recipients
            </th>
            <th scope="col" className="num">
              {unit}
            </th>
            <th scope="col">Status</th>
            <th scope="col">Transaction</th>
          </tr>
        </thead>
        <tbody>
          {payouts.data.map((batch) => (
            <tr key={batch.part}>
              <th scope="row">{batch.part}</th>
              <td className="num" data-label="Recipients">
                {batch.recipients.length}
              </td>
              <td className="num" data-label={unit}>
                {grouped(batch.amount)}
              </td>
              <td data-label="Status">
                {batch.status.toLowerCase()}
                {batch.cause ? <span className="sub warn-text">{batch.cause}</span> : null}
              </td>
              <td data-label="Transaction">
                {batch.tx_hash ? <code title={batch.tx_hash}>{shortened(batch.tx_hash)}</code> : "–"}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={2}>
              Sum
            </th>
            <td className="num">{grouped(payouts.amount)}</td>
            <td colSpan={2}>{grouped(payouts.final_amount)} final</td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
};
