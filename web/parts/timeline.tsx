import type { Transition } from "../../api/contract/checkpoints.ts";
import { shortened } from "../format.ts";
import { Time } from "./time.tsx";

const words = (phase: string): string => phase.toLowerCase().replaceAll("_", " ");
const TROUBLE = ["BLOCKED", "CONFLICT", "FAILED"];
/** A step back: the attempt is dead and another one begins. */
const isBack = ({ from_phase, to_phase }: Transition): boolean =>
  to_phase === "PLANNED" && from_phase !== "AWAITING_APPROVAL";

/** Every step that the checkpoint took, oldest first. */
export const Timeline = ({ transitions }: { transitions: Transition[] }) => (
  <div className="timeline-box">
    <h3>Timeline</h3>
    <ol className="timeline">
      {transitions.map((step) => (
        <li
          key={`${step.from_phase}-${step.to_phase}-${step.chain_attempt}`}
          className={
            TROUBLE.includes(step.to_phase) ? "bad" : isBack(step) ? "warn" : step.to_phase === "PAID" ? "final" : ""
          }
        >
          <Time at={step.at} />
          <div>
            <p className="step">
              {step.from_phase === "NONE" ? null : (
                <>
                  <span className="faint">{words(step.from_phase)}</span> <span aria-hidden="true">→</span>
                  <span className="hidden"> to </span>{" "}
                </>
              )}
              <strong>{words(step.to_phase)}</strong>
              {step.chain_attempt > 1 ? <span className="attempt">attempt {step.chain_attempt}</span> : null}
            </p>
            <p className="faint">
              {step.cause} · {step.actor}
              {step.tx_hash ? (
                <>
                  {" · "}
                  <code title={step.tx_hash}>{shortened(step.tx_hash)}</code>
                </>
              ) : null}
            </p>
          </div>
        </li>
      ))}
    </ol>
  </div>
);
