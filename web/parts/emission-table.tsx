import type { CheckpointView } from "../../api/contract/checkpoints.ts";
import { grouped, percentOfFrac64, shortened } from "../format.ts";
import { Empty } from "./section.tsx";

const sumOf = (shares: CheckpointView["emission"]): string =>
  String(shares.reduce((sum, share) => sum + BigInt(share.frac64), 0n));

/** Who gets what; frac64 is the unit that goes on chain. */
export const EmissionTable = ({ shares }: { shares: CheckpointView["emission"] }) => {
  if (shares.length === 0)
    return (
      <Empty
        why="Nobody is paid by this checkpoint."
        next="Its period had no ranked model, or its recipients are not known yet."
      />
    );
  return (
    <div>
      <h3>Emission</h3>
      <table className="emission cards">
        <caption className="hidden">Shares of the emission by wallet</caption>
        <thead>
          <tr>
            <th scope="col">Cruncher</th>
            <th scope="col">Wallet</th>
            <th scope="col" className="num">
              Index
            </th>
            <th scope="col" className="num">
              frac64
            </th>
            <th scope="col" className="num">
              Share
            </th>
          </tr>
        </thead>
        <tbody>
          {shares.map((share) => (
            <tr key={share.cruncher_id}>
              <th scope="row" className="model">
                {share.cruncher_name}
                <span className="sub">{share.models.join(", ")}</span>
              </th>
              <td data-label="Wallet">
                <code title={share.wallet}>{shortened(share.wallet, 4)}</code>
              </td>
              <td className="num" data-label="Index">
                {share.cruncher_index}
              </td>
              <td className="num" data-label="frac64">
                {grouped(share.frac64)}
              </td>
              <td className="num" data-label="Share">
                <meter min={0} max={1e9} value={Number(share.frac64)} aria-hidden="true" />
                {percentOfFrac64(share.frac64)}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={3}>
              Sum
            </th>
            <td className="num">{grouped(sumOf(shares))}</td>
            <td className="num">{percentOfFrac64(sumOf(shares))}</td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
};
