import type { ReactNode } from "react";
import type { FeedStage, Overview } from "../../api/contract/overview.ts";
import { count, duration, shortened } from "../format.ts";

type Tone = "good" | "busy" | "warn" | "bad" | "idle";
interface StageView {
  name: string;
  tone: Tone;
  value: string;
  unit?: string;
  detail: ReactNode;
}

const SPOKEN: Record<Tone, string> = {
  good: "well",
  busy: "at work",
  warn: "late",
  bad: "needs attention",
  idle: "idle",
};

/** Feed to chain: each stage with one number that lives and one line that explains it. */
export const Pipeline = ({ overview, now }: { overview: Overview; now: number }) => (
  <ol className="pipeline" aria-label="Pipeline, from feed to chain">
    {stagesOf(overview, now).map(({ name, tone, value, unit, detail }) => (
      <li key={name} className={`stage tone-${tone}`} data-stage={name}>
        <span className="stage-name">
          <span className="dot" aria-hidden="true" />
          {name}
          <span className="hidden">: {SPOKEN[tone]}</span>
        </span>
        <span className="stage-value">
          {value}
          {unit ? <span className="unit"> {unit}</span> : null}
        </span>
        <span className="stage-detail">{detail}</span>
      </li>
    ))}
  </ol>
);

const stagesOf = (o: Overview, now: number): StageView[] => [
  feedStage(o.feed, now - Date.parse(o.as_of)),
  {
    name: "Input",
    tone: o.input.per_minute > 0 ? "good" : "idle",
    value: count(o.input.per_minute),
    unit: "/ min",
    detail: `${count(o.predict.rounds_per_minute)} rounds due`,
  },
  predictStage(o),
  scoreStage(o, now),
  snapshotStage(o, now),
  checkpointStage(o, now),
  chainStage(o),
];

const FEED_TONE: Record<FeedStage["state"], Tone> = { live: "good", late: "warn", stale: "bad", empty: "idle" };

/** The oldest of the followed streams speaks for all. */
function feedStage(feed: FeedStage[], sinceAnswer: number): StageView {
  const order = ["live", "late", "empty", "stale"];
  const worst = feed.toSorted((a, b) => order.indexOf(b.state) - order.indexOf(a.state))[0];
  if (!worst) return { name: "Feed", tone: "idle", value: "none", detail: "no subject is followed" };
  const names = feed.length === 1 ? worst.subject : `${feed.length} subjects`;
  const detail = `${worst.source} ${names} ${worst.granularity}`;
  if (worst.age_ms === null)
    return { name: "Feed", tone: "idle", value: "no data", detail: `${detail}: waiting for the first record` };
  return {
    name: "Feed",
    tone: FEED_TONE[worst.state],
    value: duration(worst.age_ms + Math.max(0, sinceAnswer)),
    unit: "ago",
    detail,
  };
}

function predictStage(o: Overview): StageView {
  const last = o.recent_rounds.find((round) => round.collected_at !== null);
  const models = o.predict.models_running;
  const detail = `${count(o.predict.predictions_per_minute)} predictions / min`;
  if (!last)
    return {
      name: "Predict",
      tone: models > 0 ? "busy" : "warn",
      value: `${models}`,
      unit: models === 1 ? "model" : "models",
      detail: models > 0 ? "first round to come" : "no model is connected",
    };
  const asked = last.counts.called + last.counts.absent;
  return {
    name: "Predict",
    tone: asked > 0 && last.counts.answered === asked ? "good" : "warn",
    value: `${last.counts.answered}/${asked}`,
    unit: "models",
    detail,
  };
}

function scoreStage({ score, predict }: Overview, now: number): StageView {
  const next = predict.next_resolve_at;
  const waiting = `${count(score.waiting)} waiting${next ? `, next in ${duration(Date.parse(next) - now)}` : ""}`;
  if (score.late > 0)
    return {
      name: "Score",
      tone: "bad",
      value: count(score.late),
      unit: "late",
      detail: `${count(score.due)} due, ${waiting}`,
    };
  return {
    name: "Score",
    tone: score.scores_per_minute > 0 ? "good" : score.waiting > 0 ? "busy" : "idle",
    value: count(score.scores_per_minute),
    unit: "/ min",
    detail: score.due > 0 ? `${count(score.due)} due, ${waiting}` : waiting,
  };
}

function snapshotStage({ snapshot }: Overview, now: number): StageView {
  if (!snapshot.window_end)
    return {
      name: "Snapshot",
      tone: "idle",
      value: "none",
      detail: `a window every ${duration(snapshot.interval_ms)}`,
    };
  const age = now - Date.parse(snapshot.window_end);
  const tone = age > 3 * snapshot.interval_ms + 60_000 ? "warn" : "good";
  return {
    name: "Snapshot",
    tone,
    value: duration(age),
    unit: "ago",
    detail: `${count(snapshot.scores)} scores, ${count(snapshot.snapshots)} models`,
  };
}

const TROUBLE = ["BLOCKED", "CONFLICT", "FAILED", "VOID"];
const words = (phase: string): string => phase.toLowerCase().replaceAll("_", " ");

function checkpointStage({ checkpoint }: Overview, now: number): StageView {
  const { latest } = checkpoint;
  const trouble = latest !== null && TROUBLE.includes(latest.phase);
  return {
    name: "Checkpoint",
    tone: trouble ? "bad" : latest && latest.phase !== "PAID" ? "busy" : "good",
    value: duration(Date.parse(checkpoint.period_end) - now),
    detail: `to close, ${latest ? `last one ${words(latest.phase)}` : "the first period"}`,
  };
}

function chainStage({ chain }: Overview): StageView {
  if (!chain.last_paid)
    return { name: "Chain", tone: "idle", value: "–", detail: `nothing paid on ${chain.network} yet` };
  const { id, tx_hash } = chain.last_paid;
  return {
    name: "Chain",
    tone: "good",
    value: "paid",
    detail: tx_hash ? <span title={`${id}: ${tx_hash}`}>{shortened(tx_hash, 5)}</span> : id,
  };
}
