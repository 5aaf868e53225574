import type { LeaderboardEntry } from "../../api/contract/leaderboard.ts";
import { count, day, formatted } from "../format.ts";

/** The rank, and below it the ranks that chance could have given. */
export const RankCell = ({ entry }: { entry: LeaderboardEntry }) => {
  const interval = entry.rank_interval;
  const unsure = interval && interval.best !== interval.worst;
  return (
    <td className="num rank" data-label="Rank" title={interval ? sureness(entry.rank, interval) : undefined}>
      {entry.rank}
      {unsure ? (
        <span className="sub">
          {interval.best}–{interval.worst}
        </span>
      ) : null}
    </td>
  );
};

function sureness(rank: number, { best, worst, shared }: NonNullable<LeaderboardEntry["rank_interval"]>): string {
  const range = best === worst ? `rank ${best}` : `ranks ${best} to ${worst}`;
  const group = shared < rank ? `; cannot be told apart from rank ${shared}` : "";
  return `95 % sure: ${range}${group}`;
}

/** Model, cruncher, and what its standing rests on. */
export const ModelCell = ({ entry, rankingKey }: { entry: LeaderboardEntry; rankingKey: string }) => (
  <th scope="row" className="model">
    {entry.model_name}
    {entry.provisional ? <Mark name="provisional" why="In its first rounds: its standing still moves much" /> : null}
    {entry.newcomer ? (
      <Mark name="newcomer" why="Younger than the competition: ranked behind the models that were there" />
    ) : null}
    <span className="sub">{entry.cruncher_name}</span>
    {entry.former.map((f) => (
      <span className="sub" key={f.deployment_id} title={`deployment ${f.deployment_id}`}>
        until {day(f.last_at)}: {formatted(f.windows[rankingKey], "decimal-4")} over {count(f.prediction_count)}
      </span>
    ))}
  </th>
);

const Mark = ({ name, why }: { name: string; why: string }) => (
  <>
    {" "}
    <span className="mark" title={why}>
      {name}
    </span>
  </>
);
