import type { Duration, UpdateDefinition } from "@temporalio/common";
import { ApplicationFailure, allHandlersFinished, condition, defineUpdate, setHandler } from "@temporalio/workflow";
import {
  type CheckpointPhase,
  type CheckpointPosition,
  type Decision,
  type Reason,
  refusal,
} from "../domain/checkpoint.ts";
import { UPDATE } from "../domain/ids.ts";

/** All fields may be missing: an update sent by hand from the Temporal UI has no arguments. */
export interface DecisionInput {
  actor?: string;
  reason?: string;
}
export interface DecisionResult {
  id: string;
  phase: CheckpointPhase;
}

type DecisionUpdate = UpdateDefinition<DecisionResult, [DecisionInput | undefined]>;
export const decisionUpdates: Record<Decision, DecisionUpdate> = {
  approve: defineUpdate(UPDATE.approve),
  retry: defineUpdate(UPDATE.retry),
  retryBlocked: defineUpdate(UPDATE.retryBlocked),
  void: defineUpdate(UPDATE.void),
};

interface Pending {
  kind: Decision;
  reason: Reason;
  /** the checkpoint went on without it */
  dropped: boolean;
}

export type Decisions = ReturnType<typeof listenForDecisions>;

/** What people decide, one at a time, each only in the phases that it is open in. The caller gets the phase that came of it. */
export function listenForDecisions() {
  let at: CheckpointPosition | null = null;
  let pending: Pending | null = null;
  let moves = 0;
  let closed = false;

  function validate(kind: Decision, input: DecisionInput | undefined): void {
    if (at === null) throw refuse("NotSealed", "the period is not sealed yet");
    if (closed || pending !== null)
      throw refuse("Busy", `${pending?.kind ?? "the end of this run"} is being carried out; send it again`);
    const refused = refusal(kind, at.phase);
    if (refused !== null) throw refuse("NotOpen", refused);
    for (const value of [input?.actor, input?.reason])
      if (value !== undefined && typeof value !== "string") throw refuse("BadDecision", "actor and reason are texts");
    if (kind === "void" && !input?.reason)
      throw refuse("BadDecision", 'void needs a reason: {"actor":"...","reason":"..."}');
  }

  async function decide(kind: Decision, input: DecisionInput | undefined): Promise<DecisionResult> {
    const reason = { actor: input?.actor || "temporal-ui", cause: input?.reason || kind };
    const own: Pending = { kind, reason, dropped: false };
    const before = moves;
    pending = own;
    await condition(() => own.dropped || (pending !== own && moves > before));
    if (own.dropped) throw refuse("Overtaken", `the checkpoint went on to ${at!.phase} before ${kind} was carried out`);
    return { id: at!.id, phase: at!.phase };
  }

  for (const kind of Object.keys(decisionUpdates) as Decision[])
    setHandler(decisionUpdates[kind], (input) => decide(kind, input), {
      validator: (input) => validate(kind, input),
    });

  const take = (): Pending | null => {
    const taken = pending;
    pending = null;
    return taken;
  };
  const drop = () => {
    const dropped = take();
    if (dropped) dropped.dropped = true;
  };
  return {
    take,
    phase: (): CheckpointPhase | null => at?.phase ?? null,
    /** The checkpoint moved: the decision that moved it is answered, one that came too late is refused. */
    moved(position: CheckpointPosition): void {
      at = position;
      moves++;
      if (pending !== null && refusal(pending.kind, position.phase) !== null) drop();
    },
    /** Waits for as long as it takes. */
    async next(): Promise<Pending> {
      await condition(() => pending !== null);
      return take()!;
    },
    /** Waits, or less when somebody decides. */
    wait: (longest: Duration): Promise<boolean> => condition(() => pending !== null, longest),
    /** No more decisions; those under way are answered. */
    async close(): Promise<void> {
      closed = true;
      drop();
      await condition(allHandlersFinished);
    },
  };
}

const refuse = (type: string, message: string) => ApplicationFailure.nonRetryable(message, type);
