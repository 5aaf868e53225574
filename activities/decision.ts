import type { ChainPort, Evidence } from "../chain/port.ts";
import { checkpointById, transition } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { decisionByKey, decisionsOf, insertDecision, openObjection, touchCheckpoint } from "../db/decisions.ts";
import { planOf } from "../db/submissions.ts";
import type { CheckpointPosition } from "../domain/checkpoint.ts";
import type { Approver, Control, DecisionResult, RecordedDecision } from "../domain/decision.ts";
import { asActor, failIllegal, positionOf } from "./checkpoint-steps.ts";

export interface DecisionSettings {
  network: string;
  /** the crunch as the chain knows it */
  crunch: string;
  /** decisions are signed (everywhere but on LOCAL) */
  signed: boolean;
  approvers: Approver[];
  /** 0: a checkpoint approves itself */
  approvalsNeeded: number;
  objectionMs: number;
}

export interface DecisionDeps {
  db: Database;
  chain: ChainPort;
  decisions: DecisionSettings;
}

export type Inspection = Evidence;

/** What people decide: the terms, the record, and what the chain says to it. */
export function createDecisionActivities({ db, chain, decisions: settings }: DecisionDeps) {
  const controlOf = async (id: string): Promise<Control> => {
    const [row, decided] = [await checkpointById(db, id), await decisionsOf(db, id)];
    const { network, crunch, signed, approvers } = settings;
    return {
      ...{ network, crunch, signed, approvers, emissionHash: row?.emission_hash ?? "" },
      approvalsNeeded: row?.approvals_needed ?? settings.approvalsNeeded,
      objectionUntilMs: row?.objection_until?.getTime() ?? 0,
      approvals: decided.flatMap(({ action, actor }) =>
        action === "approve" && (!signed || approvers.some(({ address }) => address === actor)) ? [actor] : [],
      ),
      answered: decided.map(({ key, body, result_jsonb: result }) => ({ key, body, result })),
    };
  };
  return {
    /** Who decides by the present settings, and what was decided. The terms of an approval stay those that it began under. */
    readControl: ({ id }: { id: string }): Promise<Control> => controlOf(id),

    /** Asks for approval: from here the objection window runs. Run again, it finds the step made and the window where it was. */
    async openApproval({
      id,
      attempt,
    }: {
      id: string;
      attempt: number;
    }): Promise<{ at: CheckpointPosition; control: Control }> {
      const { approvalsNeeded, objectionMs } = settings;
      const reason = { actor: "node", cause: approvalCause(settings) };
      await db
        .transaction()
        .execute(async (tx) => {
          const step = { checkpointId: id, from: "SEALED", to: "AWAITING_APPROVAL", attempt } as const;
          if ((await transition(tx, { ...step, ...asActor(reason) })) === "moved")
            await openObjection(tx, id, approvalsNeeded, objectionMs);
        })
        .catch(failIllegal);
      return { at: await positionOf(db, id), control: await controlOf(id) };
    },

    /** Writes down what a decision came to, where the step that it made has not done so already. Returns what stands. */
    async recordDecision(input: { decision: RecordedDecision; result: DecisionResult }): Promise<DecisionResult> {
      const { decision, result } = input;
      return db.transaction().execute(async (tx) => {
        const known = await decisionByKey(tx, decision.key, decision.checkpoint);
        if (known) return known.result_jsonb;
        await touchCheckpoint(tx, decision.checkpoint);
        return insertDecision(tx, decision, result, asActor({ actor: decision.actor, cause: "" }).runId ?? null);
      });
    },

    /** Whether a transaction that somebody names is this checkpoint's own, and final. */
    async inspectTransaction({ id, signature }: { id: string; signature: string }): Promise<Inspection> {
      const plan = await planOf(db, id, 0);
      if (!plan) return { ours: false, why: `nothing of ${id} can be on chain: it has not been approved` };
      return chain.inspect(plan, signature);
    },
  };
}
export type DecisionActivities = ReturnType<typeof createDecisionActivities>;

function approvalCause({ approvalsNeeded, objectionMs, network }: DecisionSettings): string {
  const asks =
    approvalsNeeded === 0 ? `no approval is asked for on ${network}` : `waits for ${approvalsNeeded} approval(s)`;
  return objectionMs === 0 ? `sealed, ${asks}` : `sealed, ${asks}; can be voided for ${objectionMs / 1_000} s`;
}
