import type { NodeInfo } from "../../api/contract/node.ts";
import type { Round } from "../../api/contract/rounds.ts";
import { historyUrl } from "../client.ts";
import { Empty } from "./section.tsx";
import { Time } from "./time.tsx";

/** The newest rounds, each with a link to its history. */
export const RecentRounds = ({ rounds, info }: { rounds: Round[]; info: NodeInfo | null | undefined }) => {
  if (rounds.length === 0)
    return (
      <Empty
        why="No round yet."
        next="The first one begins with the next record that closes a due time, a few seconds after the feed is live."
      />
    );
  return (
    <table className="rounds">
      <caption className="hidden">The newest rounds: due time, models that answered, status</caption>
      <thead>
        <tr>
          <th scope="col">Due</th>
          <th scope="col">Scope</th>
          <th scope="col" className="num">
            Answered
          </th>
          <th scope="col">Status</th>
        </tr>
      </thead>
      <tbody>
        {rounds.map((round) => (
          <RoundRow key={round.id} round={round} info={info} />
        ))}
      </tbody>
    </table>
  );
};

const RoundRow = ({ round, info }: { round: Round; info: NodeInfo | null | undefined }) => {
  const { counts } = round;
  const asked = counts.called + counts.absent;
  const short = [
    counts.timed_out > 0 ? `${counts.timed_out} timeout` : "",
    counts.failed > 0 ? `${counts.failed} failed` : "",
    counts.absent > 0 ? `${counts.absent} absent` : "",
  ]
    .filter(Boolean)
    .join(", ");
  return (
    <tr>
      <td>
        {info ? (
          <a href={historyUrl(info, "rounds", round.id)} title={`History of ${round.id} in the Temporal UI`}>
            <Time at={round.due_at} />
          </a>
        ) : (
          <Time at={round.due_at} />
        )}
      </td>
      <td>{round.scope_key}</td>
      <td className="num">
        {round.status === "COLLECTING" ? "…" : `${counts.answered}/${asked}`}
        {short && round.status !== "MISSED" ? <span className="sub warn-text">{short}</span> : null}
      </td>
      <td>
        <span className={`state state-${round.status.toLowerCase()}`} title={round.reason ?? undefined}>
          {round.status.toLowerCase()}
        </span>
      </td>
    </tr>
  );
};
