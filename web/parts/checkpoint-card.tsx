import type { ReactNode } from "react";
import type { CheckpointView, Transition } from "../../api/contract/checkpoints.ts";
import type { NodeInfo } from "../../api/contract/node.ts";
import { historyUrl } from "../client.ts";
import { count, day, shortened } from "../format.ts";
import { EmissionTable } from "./emission-table.tsx";
import { Time } from "./time.tsx";
import { Timeline } from "./timeline.tsx";
import { VerifyBundle } from "./verify-bundle.tsx";

const STATUSES = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"] as const;

interface CheckpointCardProps {
  checkpoint: CheckpointView;
  transitions: Transition[];
  info: NodeInfo | null | undefined;
  /** more of it, where there is room */
  children?: ReactNode;
}

export const CheckpointCard = ({ checkpoint, transitions, info, children }: CheckpointCardProps) => (
  <>
    <div className="checkpoint-head">
      <div>
        <p className="checkpoint-id">
          <a href={`/checkpoints/${encodeURIComponent(checkpoint.id)}`}>{checkpoint.id}</a>
        </p>
        <p className="faint">
          {day(checkpoint.period_end)}, <Time at={checkpoint.period_start} /> to <Time at={checkpoint.period_end} /> ·{" "}
          {count(checkpoint.model_count)} models · {count(checkpoint.snapshot_count)} snapshots
        </p>
      </div>
      <Statuses status={checkpoint.status} />
    </div>
    {checkpoint.cause ? (
      <p className="cause">
        <strong>{checkpoint.phase}</strong> {checkpoint.cause}
      </p>
    ) : null}
    <div className="checkpoint-body">
      <EmissionTable shares={checkpoint.emission} />
      <Timeline transitions={transitions} />
      {children}
    </div>
    <dl className="facts">
      <Fact name="Transaction" value={checkpoint.tx_hash} />
      <Fact name="Merkle root" value={checkpoint.merkle_root} />
      <Fact name="Emission hash" value={checkpoint.emission_hash || null} />
      {info ? (
        <div>
          <dt>History</dt>
          <dd>
            <a href={historyUrl(info, "checkpoints", checkpoint.workflow_id)}>open in the Temporal UI</a>
          </dd>
        </div>
      ) : null}
    </dl>
    {checkpoint.emission_hash ? <VerifyBundle key={checkpoint.id} id={checkpoint.id} /> : null}
  </>
);

/** The public path, with where it stands. */
const Statuses = ({ status }: { status: CheckpointView["status"] }) => {
  if (status === "VOID") return <p className="state state-voided">void</p>;
  const at = STATUSES.indexOf(status);
  return (
    <ol className="statuses" aria-label={`Status ${status}`}>
      {STATUSES.map((name, i) => (
        <li
          key={name}
          className={i < at || status === "PAID" ? "done" : i === at ? "current" : "ahead"}
          {...(i === at ? { "aria-current": "step" as const } : {})}
        >
          {name.toLowerCase()}
        </li>
      ))}
    </ol>
  );
};

const Fact = ({ name, value }: { name: string; value: string | null }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value ? <code title={value}>{shortened(value, 8)}</code> : <span className="faint">not yet</span>}</dd>
  </div>
);
