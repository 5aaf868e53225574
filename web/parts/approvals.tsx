import type { CheckpointView } from "../../api/contract/checkpoints.ts";
import { shortened } from "../format.ts";
import { Time } from "./time.tsx";

/** Who agreed, how many are wanted, and until when anybody may object. */
export const Approvals = ({ checkpoint }: { checkpoint: CheckpointView }) => {
  const { approvals, approvals_needed: needed, objection_until: until, phase } = checkpoint;
  if (needed === null || (needed === 0 && until === null)) return null;
  const waits = phase === "AWAITING_APPROVAL";
  return (
    <section aria-label="Approvals">
      <h3>Approvals</h3>
      <p>
        {needed === 0 ? "None is asked for." : `${approvals.length} of ${needed}`}
        {until && waits && Date.parse(until) > Date.now() ? (
          <>
            {" "}
            · it can be voided, and is not submitted, until <Time at={until} />
          </>
        ) : null}
      </p>
      <ul>
        {approvals.map(({ actor, at }) => (
          <li key={actor}>
            <Time at={at} /> <code title={actor}>{shortened(actor, 8)}</code>
          </li>
        ))}
      </ul>
    </section>
  );
};
