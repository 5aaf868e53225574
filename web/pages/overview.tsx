import { useEffect } from "react";
import type { NodeInfo } from "../../api/contract/node.ts";
import type { Overview } from "../../api/contract/overview.ts";
import { useCheckpoint, useColumns, useInfo, useLeaderboard, useOverview, useTransitions } from "../client.ts";
import { duration } from "../format.ts";
import { CheckpointCard } from "../parts/checkpoint-card.tsx";
import { Header } from "../parts/header.tsx";
import { LatencyBar } from "../parts/latency-bar.tsx";
import { LeaderboardTable } from "../parts/leaderboard-table.tsx";
import { Pipeline } from "../parts/pipeline.tsx";
import { RecentRounds } from "../parts/recent-rounds.tsx";
import { Empty, Section, Waiting } from "../parts/section.tsx";
import { Time } from "../parts/time.tsx";
import { useNow } from "../parts/use-now.ts";

/** The whole competition on one page: what runs now, who leads, who was paid. */
export const OverviewPage = () => {
  const info = useInfo();
  const live = useOverview();
  const now = useNow(live.data?.as_of, live.dataUpdatedAt);
  const failing = live.isError || live.failureCount > 0;
  useTitle(info.data);
  return (
    <>
      <Header info={info.data} answeredAt={live.dataUpdatedAt} failing={failing} at="overview" />
      <main id="main">
        {failing && live.data ? (
          <p className="stale-note" role="alert">
            The node does not answer. These are its last numbers, of <Time at={live.data.as_of} />; the page keeps
            asking.
          </p>
        ) : null}
        <section className="card live-card" aria-label="Pipeline">
          {live.data ? <Pipeline overview={live.data} now={now} /> : <Waiting error={live.error} rows={2} />}
          {live.data?.latency ? <LatencyBar latency={live.data.latency} /> : null}
        </section>
        <LeaderboardSection overview={live.data} now={now} />
        <div className="columns">
          <CheckpointSection info={info.data} overview={live.data} unknown={live.isError} now={now} />
          <Section id="rounds" title="Recent rounds" note={live.data ? statusNote(live.data) : null}>
            {live.data ? (
              <RecentRounds rounds={live.data.recent_rounds} info={info.data} />
            ) : (
              <Waiting error={live.error} rows={6} />
            )}
          </Section>
        </div>
      </main>
      <footer>
        Almanac {info.data?.version} · <a href="/openapi.json">API</a> · <a href="/readyz">readiness</a>
        {info.data ? (
          <>
            {" · "}
            <a href={info.data.temporal_ui}>Temporal UI</a>
          </>
        ) : null}
      </footer>
    </>
  );
};

function useTitle(info: NodeInfo | null | undefined): void {
  useEffect(() => {
    if (info) document.title = `${info.title} · Almanac`;
  }, [info]);
}

/** Rounds of the last hour that did not end well. */
function statusNote({ rounds_last_hour: byStatus }: Overview): string {
  const all = Object.values(byStatus).reduce((sum, n) => sum + n, 0);
  const bad = ["MISSED", "UNRESOLVABLE", "VOIDED"].flatMap((name) =>
    byStatus[name] ? [`${byStatus[name]} ${name.toLowerCase()}`] : [],
  );
  return [`${all} in the last hour`, ...bad].join(", ");
}

interface LiveProps {
  overview: Overview | null | undefined;
  now: number;
}

const LeaderboardSection = ({ overview, now }: LiveProps) => {
  const board = useLeaderboard();
  const columns = useColumns();
  const ready = board.data && columns.data;
  return (
    <Section
      id="leaderboard"
      title="Leaderboard"
      note={
        board.data?.window_end ? (
          <>
            as of <Time at={board.data.window_end} />
          </>
        ) : null
      }
    >
      {!ready ? (
        <Waiting error={board.error ?? columns.error} rows={5} />
      ) : board.data && board.data.data.length > 0 && columns.data ? (
        <LeaderboardTable board={board.data} columns={columns.data} />
      ) : (
        <Empty why="No scores yet." next={firstScores(overview, now)} />
      )}
    </Section>
  );
};

function firstScores(overview: Overview | null | undefined, now: number): string {
  if (overview?.predict.models_running === 0)
    return "No model is connected. List one in the models file (MODELS_FILE); the orchestrator starts it within seconds.";
  const next = overview?.predict.next_resolve_at;
  if (!next) return "The first predictions come with the first round.";
  return `The first predictions resolve in ${duration(Date.parse(next) - now)}; the scoring window after that ranks them.`;
}

interface CheckpointSectionProps extends LiveProps {
  info: NodeInfo | null | undefined;
  /** the overview is refused (it may want a key); checkpoints are public */
  unknown: boolean;
}

const CheckpointSection = ({ info, overview, unknown, now }: CheckpointSectionProps) => {
  const named = overview ? overview.checkpoint.latest?.id : unknown ? "latest" : undefined;
  const latest = useCheckpoint(named);
  const steps = useTransitions(latest.data?.id);
  return (
    <Section
      id="checkpoint"
      title="Latest checkpoint"
      note={overview ? `the next closes in ${duration(Date.parse(overview.checkpoint.period_end) - now)}` : null}
    >
      {latest.data ? (
        <CheckpointCard checkpoint={latest.data} transitions={steps.data?.data ?? []} info={info} />
      ) : (named !== undefined || !overview) && latest.data === undefined ? (
        <Waiting error={latest.error} rows={4} />
      ) : (
        <Empty
          why="No checkpoint yet."
          next="When the period ends it is sealed: models are ranked, shares are fixed and paid, and every step appears here."
        />
      )}
    </Section>
  );
};
