import { useEffect } from "react";
import type { CheckpointList } from "../../api/contract/checkpoints.ts";
import { useCheckpoints, useInfo } from "../client.ts";
import { count, day, shortened } from "../format.ts";
import { Header } from "../parts/header.tsx";
import { Empty, ScrollBox, Section, Waiting } from "../parts/section.tsx";
import { Time } from "../parts/time.tsx";

/** All checkpoints, newest first. */
export const CheckpointsPage = () => {
  const info = useInfo();
  const list = useCheckpoints();
  const failing = list.isError || list.failureCount > 0;
  useEffect(() => {
    document.title = "Checkpoints · Almanac";
  }, []);
  return (
    <>
      <Header info={info.data} answeredAt={list.dataUpdatedAt} failing={failing} at="checkpoints" />
      <main id="main">
        <Section id="checkpoints" title="Checkpoints" note={list.data?.next_cursor ? "the newest 100" : null}>
          {list.data && list.data.data.length > 0 ? (
            <Checkpoints rows={list.data.data} />
          ) : list.data ? (
            <Empty why="No checkpoint yet." next="The first one is sealed when its period has ended." />
          ) : (
            <Waiting error={list.error} rows={6} />
          )}
        </Section>
      </main>
    </>
  );
};

const Checkpoints = ({ rows }: { rows: CheckpointList["data"] }) => (
  <ScrollBox label="Checkpoints">
    <table className="checkpoints cards">
      <caption className="hidden">Checkpoints, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Checkpoint</th>
          <th scope="col">Period</th>
          <th scope="col">Status</th>
          <th scope="col" className="num">
            Models
          </th>
          <th scope="col">Transaction</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <th scope="row">
              <a href={`/checkpoints/${encodeURIComponent(row.id)}`}>{row.id}</a>
            </th>
            <td data-label="Period">
              <Period from={row.period_start} to={row.period_end} />
            </td>
            <td data-label="Status">
              {row.status.toLowerCase()}
              {row.cause ? <span className="sub warn-text">{row.cause}</span> : <Phase phase={row.phase} />}
            </td>
            <td className="num" data-label="Models">
              {count(row.model_count)}
            </td>
            <td data-label="Transaction">
              {row.tx_hash ? <code title={row.tx_hash}>{shortened(row.tx_hash)}</code> : "–"}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </ScrollBox>
);

const DAY_MS = 86_400_000;
/** Long periods by their days, short ones by their times. */
const Period = ({ from, to }: { from: string; to: string }) =>
  Date.parse(to) - Date.parse(from) >= DAY_MS ? (
    <>
      <time dateTime={from}>{day(from)}</time> to <time dateTime={to}>{day(to)}</time>
    </>
  ) : (
    <>
      {day(from)}, <Time at={from} /> to <Time at={to} />
    </>
  );

/** Said only where it says more than the status. */
const Phase = ({ phase }: { phase: string }) =>
  ["FINAL", "CLAIMABLE", "PAID", "VOID"].includes(phase) ? null : (
    <span className="sub">{phase.toLowerCase().replaceAll("_", " ")}</span>
  );
