import type { NodeInfo } from "../../api/contract/node.ts";
import { clock } from "../format.ts";

interface HeaderProps {
  info: NodeInfo | null | undefined;
  /** when the last live answer came, epoch ms; 0: never */
  answeredAt: number;
  failing: boolean;
  /** the page that is open */
  at: "overview" | "checkpoints";
}

export const Header = ({ info, answeredAt, failing, at }: HeaderProps) => (
  <header className="top">
    <a className="skip" href="#main">
      Skip to content
    </a>
    <div className="brand">
      <h1>
        <span className="wordmark">Almanac</span>
        <span className="competition">{info?.title ?? "…"}</span>
      </h1>
      <p className="crunch">{info?.crunch_id}</p>
    </div>
    <nav aria-label="Pages">
      <a href="/" {...(at === "overview" ? CURRENT : {})}>
        Overview
      </a>
      <a href="/checkpoints" {...(at === "checkpoints" ? CURRENT : {})}>
        Checkpoints
      </a>
    </nav>
    <div className="badges">
      {info ? (
        <>
          <span className={`badge network-${info.network.toLowerCase()}`} title="The chain that pays">
            {info.network}
          </span>
          <span className="badge" title="How models are kept apart from the node and from each other">
            sandbox {info.sandbox}
          </span>
        </>
      ) : null}
      <Live answeredAt={answeredAt} failing={failing} />
    </div>
  </header>
);

const CURRENT = { "aria-current": "page" as const };

const Live = ({ answeredAt, failing }: Pick<HeaderProps, "answeredAt" | "failing">) => {
  const state = failing ? "stale" : answeredAt > 0 ? "live" : "connecting";
  const text =
    state === "stale" && answeredAt > 0
      ? `stale since ${clock(new Date(answeredAt).toISOString())}`
      : state === "stale"
        ? "no answer"
        : state;
  return (
    <span className={`live live-${state}`} role="status">
      <span className="dot" aria-hidden="true" />
      {text}
    </span>
  );
};
