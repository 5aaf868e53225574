import type { Duration, UpdateDefinition } from "@temporalio/common";
import { allHandlersFinished, condition, defineSignal, defineUpdate, setHandler, uuid4 } from "@temporalio/workflow";
import { type CheckpointPhase, type CheckpointPosition, isTrouble, publicStatus } from "../domain/checkpoint.ts";
import {
  type Action,
  actionRefusal,
  type ConfirmInput,
  type Control,
  type DecisionInput,
  type DecisionResult,
  hasReached,
} from "../domain/decision.ts";
import { SIGNAL, UPDATE } from "../domain/ids.ts";
import { spell } from "../domain/polling.ts";
import { type Asked, askedOf, notApprover, refuse, requireSignature, waitsFor } from "./decision-check.ts";
import { deciding, type Inspection } from "./decision-steps.ts";
import { asSummary } from "./described.ts";

type DecisionUpdate = UpdateDefinition<DecisionResult, [DecisionInput | ConfirmInput | undefined]>;
export const decisionUpdates: Record<Action, DecisionUpdate> = {
  approve: defineUpdate(UPDATE.approve),
  retry: defineUpdate(UPDATE.retry),
  retryBlocked: defineUpdate(UPDATE.retryBlocked),
  void: defineUpdate(UPDATE.void),
  confirm: defineUpdate(UPDATE.confirm),
};
const settingsChanged = defineSignal(SIGNAL.settingsChanged);

/** A caller of `confirm` is told after this long that the chain does not show it yet. */
const LOOK_FOR = "8s";

export interface Pending {
  asked: Asked;
  /** whoever decides is known to be allowed to */
  ready: boolean;
  /** moves before it was taken; null: not yet */
  takenAt: number | null;
  /** where the checkpoint stood when it had been carried out */
  settled: CheckpointPosition | null;
  /** the checkpoint went on without it */
  dropped: boolean;
}

export type Decisions = ReturnType<typeof listenForDecisions>;

/** What people decide, one at a time, each only in the phases that it is open in. A key that was used is answered as it was then. */
export function listenForDecisions() {
  let at: CheckpointPosition | null = null;
  let control: Control | null = null;
  /** asked, and not yet carried out */
  let pending: Pending | null = null;
  let moves = 0;
  let closed = false;
  const answers = new Map<string, { body: string; result: Promise<DecisionResult> }>();

  function validate(action: Action, raw: unknown): void {
    if (at === null || control === null) throw refuse("NotSealed", "the period is not sealed yet");
    const asked = askedOf(control, at, action, raw, () => "");
    const known = answers.get(asked.key);
    if (known?.body === asked.body) return;
    if (known) throw refuse("KeyReused", `the key ${asked.key} was used for another decision: take a new one`);
    const refused = actionRefusal(action, at, asked.to);
    if (refused !== null) throw refuse("NotOpen", refused);
    if (action === "approve" && control.approvals.includes(asked.actor))
      throw refuse("Approved", `${asked.actor} has approved ${at.id} already; another approver's key is needed`);
    if (closed || pending !== null)
      throw refuse("Busy", `${pending?.asked.action ?? "the end of this run"} is being carried out; look again`);
    requireSignature(control, asked, raw, Date.now());
  }

  function decide(action: Action, raw: unknown): Promise<DecisionResult> {
    const asked = askedOf(control!, at!, action, raw, uuid4);
    const known = answers.get(asked.key);
    if (known) return known.result;
    const result = asked.action === "confirm" ? confirm(asked) : carryOut(asked);
    answers.set(asked.key, { body: asked.body, result });
    result.catch(() => answers.delete(asked.key));
    return result;
  }

  async function carryOut(asked: Asked): Promise<DecisionResult> {
    const own = submit(asked, !control!.signed);
    if (control!.signed) await authorize(own);
    await condition(() => own.dropped || own.settled !== null);
    if (own.settled === null)
      throw refuse("Overtaken", `the checkpoint went on to ${at!.phase} before ${asked.action} was carried out`);
    return deciding.recordDecision({
      decision: asked,
      result: resultOf(asked, own.settled, waitsFor(control!, own.settled)),
    });
  }

  /** The approver is one by the settings of this moment, too: a key that was taken away decides nothing more. */
  async function authorize(own: Pending): Promise<void> {
    adopt(await deciding.readControl({ id: own.asked.checkpoint }));
    own.ready = control!.approvers.some(({ address }) => address === own.asked.actor);
    if (own.ready) return;
    if (pending === own) pending = null;
    throw refuse("NotApprover", notApprover(control!, own.asked.actor));
  }

  /** Looks at the chain; only what it shows there moves the checkpoint. */
  async function confirm(asked: Asked): Promise<DecisionResult> {
    const own = submit(asked, true);
    const seen: Inspection =
      asked.txHash === undefined
        ? { ours: true }
        : await deciding.inspectTransaction({ id: asked.checkpoint, signature: asked.txHash });
    const reached = () => hasReached(at!.phase, asked.to!);
    if (seen.ours) await condition(() => reached() || own.dropped, LOOK_FOR);
    if (pending === own) pending = null;
    if (!seen.ours) throw refuse("NoEvidence", seen.why);
    if (!reached())
      throw refuse(
        "NoEvidence",
        `the chain does not show ${asked.to} of ${asked.checkpoint} yet: ${at!.cause ?? at!.phase}`,
      );
    return deciding.recordDecision({ decision: asked, result: resultOf(asked, at!, null) });
  }

  function submit(asked: Asked, ready: boolean): Pending {
    const own: Pending = { asked, ready, takenAt: null, settled: null, dropped: false };
    pending = own;
    return own;
  }

  for (const action of Object.keys(decisionUpdates) as Action[])
    setHandler(decisionUpdates[action], (raw) => decide(action, raw), { validator: (raw) => validate(action, raw) });
  setHandler(settingsChanged, async () => {
    if (at !== null) adopt(await deciding.readControl({ id: at.id }));
  });

  function adopt(fresh: Control): void {
    control = fresh;
    for (const { key, body, result } of fresh.answered)
      if (!answers.has(key)) answers.set(key, { body, result: Promise.resolve(result) });
  }

  const untaken = () => pending?.ready === true && pending.takenAt === null;
  const take = (): Asked | null => {
    if (pending === null || !untaken()) return null;
    pending.takenAt = moves;
    return pending.asked;
  };
  const drop = () => {
    if (pending !== null) pending.dropped = true;
    pending = null;
  };
  return {
    take,
    phase: (): CheckpointPhase | null => at?.phase ?? null,
    /** Who decides, and how many; null before the seal. */
    control: (): Control | null => control,
    /** Reads the people who decide, anew after each seal. */
    readControl: async (id: string): Promise<void> => adopt(await deciding.readControl({ id })),
    adopt,
    /** An approval was written down: it counts from now on. */
    approved: (actor: string): void => void control?.approvals.push(actor),
    /** The checkpoint moved: the decision that moved it is answered, one that came too late is refused. */
    moved(position: CheckpointPosition): void {
      at = position;
      moves++;
      if (pending === null || pending.asked.action === "confirm") return;
      if (pending.takenAt !== null) {
        pending.settled = position;
        pending = null;
      } else if (actionRefusal(pending.asked.action, position) !== null) drop();
    },
    /** Waits for as long as it takes, or for `longest`: then null. */
    async next(longest?: Duration): Promise<Asked | null> {
      if (longest === undefined) await condition(untaken);
      else await condition(untaken, longest);
      return take();
    },
    /** Waits, or less when somebody decides. A look at the chain is what comes next anyway: it counts as taken. */
    async wait(longestMs: number, what: string): Promise<boolean> {
      const asked = await condition(untaken, longestMs, { summary: asSummary(`waits ${spell(longestMs)} ${what}`) });
      if (pending?.asked.action === "confirm" && !(at !== null && isTrouble(at.phase))) take();
      return asked;
    },
    /** No more decisions; those under way are answered. */
    async close(): Promise<void> {
      closed = true;
      drop();
      await condition(allHandlersFinished);
    },
  };
}

export const resultOf = (
  { checkpoint, action, actor }: Asked,
  { phase }: CheckpointPosition,
  waits_for: string | null,
): DecisionResult => ({ id: checkpoint, action, actor, phase, status: publicStatus(phase), waits_for });
