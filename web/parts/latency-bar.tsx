import type { Overview } from "../../api/contract/overview.ts";

const BUDGET_MS = 50;
const STAGE = { begin: "start the round", models: "slowest model at work", store: "ask, check and store" } as const;

/** Where the time between a stored record and stored predictions goes, against the budget. */
export const LatencyBar = ({ latency }: { latency: NonNullable<Overview["latency"]> }) => {
  const used = latency.stages.reduce((sum, stage) => sum + stage.p50_ms, 0);
  const left = Math.max(0, BUDGET_MS - used);
  const summary = `Half of the rounds took at most ${latency.p50_ms} ms, 95 % at most ${latency.p95_ms} ms`;
  return (
    <figure className="latency">
      <figcaption>
        <strong>Feed to predictions</strong>
        <span>
          p50 <b>{latency.p50_ms} ms</b>
        </span>
        <span>
          p95 <b>{latency.p95_ms} ms</b>
        </span>
        <span className="faint">
          last {latency.rounds} rounds, budget {BUDGET_MS} ms
        </span>
      </figcaption>
      <div className="bar" role="img" aria-label={summary}>
        {latency.stages.map(({ name, p50_ms }) => (
          <span key={name} className={`bar-${name}`} style={{ flexGrow: p50_ms }} />
        ))}
        <span className="bar-left" style={{ flexGrow: left }} />
      </div>
      <ul className="legend">
        {latency.stages.map(({ name, p50_ms }) => (
          <li key={name}>
            <span className={`key bar-${name}`} aria-hidden="true" />
            {STAGE[name]} <b>{p50_ms} ms</b>
          </li>
        ))}
        <li>
          <span className="key bar-left" aria-hidden="true" />
          {used > BUDGET_MS ? `over by ${(used - BUDGET_MS).toFixed(1)} ms` : `left ${left.toFixed(1)} ms`}
        </li>
      </ul>
    </figure>
  );
};
