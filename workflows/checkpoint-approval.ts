import type { CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import type { Control } from "../domain/decision.ts";
import { chain, move, NODE, type Run, rows, sealedAs } from "./checkpoint-steps.ts";
import { type Asked, waitsFor } from "./decision-check.ts";
import { deciding } from "./decision-steps.ts";
import { resultOf } from "./decisions.ts";

/** Until enough different approvers have agreed and nobody can object any more; each step of it is one look at a decision. */
export async function approval(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const { decisions } = run;
  if (at.phase === "SEALED") {
    const opened = await deciding.openApproval({ id: at.id, attempt: at.attempt });
    decisions.adopt(opened.control);
    return opened.at;
  }
  const control = decisions.control()!;
  const restMs = control.objectionUntilMs - Date.now();
  const complete = control.approvals.length >= control.approvalsNeeded;
  if (complete && restMs <= 0) return chain.freezePlan({ id: at.id, reason: agreed(control) });
  const asked = await decisions.next(complete ? restMs : undefined);
  if (asked === null) return at;
  if (asked.action === "void") return move(at, "VOID", reasonOf(asked));
  if (control.approvals.length + 1 >= control.approvalsNeeded && restMs <= 0)
    return chain.freezePlan({ id: at.id, reason: reasonOf(asked) });
  return approved(run, at, asked);
}

/** One of several approvals, or one given while somebody may still object. */
async function approved({ decisions }: Run, at: CheckpointPosition, asked: Asked): Promise<CheckpointPosition> {
  const control = decisions.control()!;
  const after = { ...control, approvals: [...control.approvals, asked.actor] };
  await deciding.recordDecision({ decision: asked, result: resultOf(asked, at, waitsFor(after, at)) });
  decisions.approved(asked.actor);
  return at;
}

/** BLOCKED, CONFLICT and FAILED wait for as long as it takes. */
export async function person(run: Run, at: CheckpointPosition): Promise<CheckpointPosition> {
  const asked = (await run.decisions.next())!;
  if (asked.action === "confirm") return confirmed(at);
  if (asked.action === "void") return move(at, "VOID", reasonOf(asked));
  if (at.hasEmission) return chain.freezePlan({ id: at.id, reason: reasonOf(asked) });
  const sealed = await rows.resealPeriod({ id: at.id, reason: reasonOf(asked) });
  await run.decisions.readControl(at.id);
  return sealedAs(run, sealed);
}

/** The markers at finalized say whether it is on chain already; without them nothing moves, and nothing is signed. */
async function confirmed(at: CheckpointPosition): Promise<CheckpointPosition> {
  const { id } = at;
  const seen = await chain.observe({ id, part: 0 });
  if (seen.kind !== "final") return at;
  await chain.settle({ id, part: 0, final: true, signature: seen.signature });
  return move(at, "FINAL", { ...NODE, cause: "both markers are final, as was confirmed" }, seen.signature);
}

const reasonOf = (asked: Asked): Reason => ({
  actor: asked.actor,
  cause: asked.reason ?? asked.action,
  decision: asked,
});

/** The log names the last approver as the actor, and all of them as the cause. */
function agreed({ approvals, approvalsNeeded, network }: Control): Reason {
  const last = approvals.at(-1);
  if (approvalsNeeded === 0 || last === undefined)
    return { ...NODE, cause: `approved by itself: no approval is asked for on ${network}` };
  return { actor: last, cause: `approved by ${approvals.join(" and ")}` };
}
