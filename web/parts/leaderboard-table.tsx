import type { LeaderboardEntry, LeaderboardView } from "../../api/contract/leaderboard.ts";
import type { LeaderboardColumn } from "../../api/contract/report-schema.ts";
import { count, covered, formatted } from "../format.ts";
import { ScrollBox } from "./section.tsx";
import { ModelCell, RankCell } from "./standing.tsx";

/** Models by rank. Columns come from the schema; a window that is not full yet says how much of it there is. */
export const LeaderboardTable = ({ board, columns }: { board: LeaderboardView; columns: LeaderboardColumn[] }) => {
  const values = columns.filter((c) => c.type === "VALUE").toSorted((a, b) => a.order - b.order);
  return (
    <ScrollBox label="Leaderboard">
      <table className="leaderboard cards">
        <caption className="hidden">
          Leaderboard by {board.ranking.key}, {board.ranking.direction === "desc" ? "highest" : "lowest"} first
        </caption>
        <thead>
          <tr>
            <th scope="col" className="num">
              #
            </th>
            <th scope="col">Model</th>
            {values.map((column) => (
              <ValueHead key={column.property} column={column} board={board} />
            ))}
            <th scope="col" className="num" title="Predictions counted in the longest window">
              Counted
            </th>
            <th scope="col" className="num" title="Rounds of the longest window without a valid answer">
              Missed
            </th>
          </tr>
        </thead>
        <tbody>
          {board.data.map((entry) => (
            <EntryRow key={entry.model_id} entry={entry} values={values} board={board} />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
};

/** How far the best covered model reaches into a window; null: the window is full, or no window. */
function longestCover({ data }: LeaderboardView, name: string): number | null {
  const covers = data.flatMap((entry) => (entry.windows[name]?.partial ? [entry.windows[name].covered_hours] : []));
  return covers.length === data.length && covers.length > 0 ? Math.max(...covers) : null;
}

const ValueHead = ({ column, board }: { column: LeaderboardColumn; board: LeaderboardView }) => {
  const ranked = column.property === board.ranking.key;
  const cover = longestCover(board, column.property);
  const sort = board.ranking.direction === "desc" ? "descending" : "ascending";
  return (
    <th
      scope="col"
      className={`num ${ranked ? "ranked" : ""}`}
      title={column.tooltip ?? undefined}
      {...(ranked ? { "aria-sort": sort } : {})}
    >
      {column.displayName.replace(/ (?=h$)/, "\u00a0")}
      {cover === null ? null : <span className="sub">{covered(cover)} so far</span>}
    </th>
  );
};

interface EntryRowProps {
  entry: LeaderboardEntry;
  values: LeaderboardColumn[];
  board: LeaderboardView;
}

const EntryRow = ({ entry, values, board }: EntryRowProps) => (
  <tr>
    <RankCell entry={entry} />
    <ModelCell entry={entry} rankingKey={board.ranking.key} />
    {values.map((column) => {
      const value = entry.metrics[column.property];
      const cover = entry.windows[column.property];
      const all = longestCover(board, column.property);
      const younger = cover?.partial && (all === null || cover.covered_hours < all * 0.95);
      return (
        <td
          key={column.property}
          className={`num ${column.property === board.ranking.key ? "ranked" : ""}`}
          data-label={column.displayName}
          title={value === null || value === undefined ? undefined : String(value)}
        >
          {formatted(value, column.format)}
          {younger ? (
            <span className="sub">
              {covered(cover.covered_hours)} of {cover.hours} h
            </span>
          ) : cover?.partial ? (
            <span className="sub narrow">{covered(cover.covered_hours)} so far</span>
          ) : null}
        </td>
      );
    })}
    <td className="num" data-label="Counted">
      {count(entry.prediction_count)}
    </td>
    <td className={`num ${entry.missed > 0 ? "warn-text" : ""}`} data-label="Missed">
      {count(entry.missed)}
    </td>
  </tr>
);
