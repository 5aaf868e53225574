import {
  type CheckpointPhase,
  type CheckpointPosition,
  type CheckpointStatus,
  type Decision,
  publicStatus,
  refusal,
} from "./checkpoint.ts";

/** What people may do to a checkpoint: decide, or name a fact of the chain that the node is to look at. */
export type Action = Decision | "confirm";

/** What an approver signs: canonical bytes of it (proofs/decision.ts). The key makes it good once, the time makes it good for a while. */
export interface DecisionStatement {
  type: "almanac-decision/1";
  network: string;
  crunch: string;
  checkpoint: string;
  /** empty while a blocked seal has no emission */
  emission_hash: string;
  action: Decision;
  reason: string | null;
  key: string;
  /** UTC with Z and milliseconds */
  expires_at: string;
}

/** The argument of a decision's update. On LOCAL every field may be missing; elsewhere `almanac checkpoint sign` prints it whole. */
export interface DecisionInput {
  /** LOCAL only: a name; elsewhere the signing key is the actor */
  actor?: string;
  reason?: string;
  /** the same key again is answered with the first result */
  key?: string;
  expires_at?: string;
  /** address of the signing key */
  approver?: string;
  /** Ed25519, 64 bytes as hex */
  signature?: string;
}

/** The argument of `confirm`: the status that the chain is said to show by now, for SUBMITTED with the transaction that shows it. */
export interface ConfirmInput {
  to: CheckpointStatus;
  tx_hash?: string;
  actor?: string;
  key?: string;
}

/** What came of it; the same key is answered with the same text for ever. */
export interface DecisionResult {
  id: string;
  action: Action;
  actor: string;
  phase: CheckpointPhase;
  status: CheckpointStatus;
  /** what else it takes before the checkpoint goes on; null: it went on */
  waits_for: string | null;
}

/** A decision as it is logged beside what it did. */
export interface RecordedDecision {
  key: string;
  checkpoint: string;
  action: Action;
  actor: string;
  reason: string | null;
  /** what another use of the key is compared with */
  body: string;
  /** the signed text; null where nothing is signed (LOCAL, confirm) */
  statement: string | null;
  signature: string | null;
}

export interface Approver {
  /** base58 */
  address: string;
  /** the same 32 bytes as hex */
  publicKey: string;
}

/** What a run knows of the people who decide; an activity reads it, so that a replay sees the same. */
export interface Control {
  network: string;
  crunch: string;
  emissionHash: string;
  /** false on LOCAL: anybody who reaches the update decides, under the name given */
  signed: boolean;
  approvers: Approver[];
  /** by different approvers; 0: the checkpoint approves itself */
  approvalsNeeded: number;
  /** until then it can be voided and is not submitted; epoch ms, 0: no objection window */
  objectionUntilMs: number;
  /** who has approved this emission */
  approvals: string[];
  /** decisions that were made before this run began */
  answered: { key: string; body: string; result: DecisionResult }[];
}

export class DecisionError extends Error {
  override name = "DecisionError";
}

/** How much later than now a signed decision may expire. */
export const LONGEST_VALIDITY_MS = 7 * 86_400_000;
const LIMITS = {
  actor: 100,
  reason: 500,
  key: 200,
  expires_at: 40,
  approver: 50,
  signature: 128,
  tx_hash: 100,
} as const;
const CONTROL = /[^\P{Cc}\n\t]/u;

/** The known fields of what came with an update, each a text of bounded length. Throws DecisionError. */
export function decisionInput(raw: unknown): DecisionInput & { tx_hash?: string } {
  if (raw === undefined || raw === null) return {};
  if (typeof raw !== "object" || Array.isArray(raw)) throw new DecisionError("the argument is one JSON object");
  const known: Record<string, string> = {};
  for (const [name, longest] of Object.entries(LIMITS)) {
    const value = (raw as Record<string, unknown>)[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== "string" || value.length > longest || !value.isWellFormed() || CONTROL.test(value))
      throw new DecisionError(`${name} is a text of at most ${longest} characters`);
    if (value.trim() !== "") known[name] = value.trim();
  }
  return known;
}

/** What is signed for this decision on this checkpoint. Throws DecisionError where the input lacks a part of it. */
export function statementOf(
  control: Pick<Control, "network" | "crunch" | "emissionHash">,
  checkpoint: string,
  action: Decision,
  { reason, key, expires_at }: DecisionInput,
): DecisionStatement {
  if (key === undefined || expires_at === undefined)
    throw new DecisionError("a signed decision has a key and an expires_at");
  return {
    type: "almanac-decision/1",
    ...{ network: control.network, crunch: control.crunch, checkpoint, emission_hash: control.emissionHash },
    ...{ action, reason: reason ?? null, key, expires_at },
  };
}

/** Why a statement's time does not fit, or null. */
export function expiryProblem({ expires_at }: Pick<DecisionStatement, "expires_at">, nowMs: number): string | null {
  const expiresMs = Date.parse(expires_at);
  if (!Number.isFinite(expiresMs) || new Date(expiresMs).toISOString() !== expires_at)
    return `expires_at ${expires_at} is not a UTC time such as 2026-11-21T00:00:00.000Z`;
  if (expiresMs <= nowMs) return `this decision was good until ${expires_at}: sign it again`;
  if (expiresMs > nowMs + LONGEST_VALIDITY_MS) return "a decision is good for at most seven days: sign it again";
  return null;
}

/** Whom the log names: the key that signs; on LOCAL the name given; for a look at the chain, off LOCAL, the node, which believes only the chain. */
export function actorOf(signed: boolean, action: Action, { actor, approver }: DecisionInput): string {
  if (!signed) return actor ?? UNNAMED;
  return action === "confirm" ? "node" : (approver ?? UNNAMED);
}
const UNNAMED = "temporal-ui";

/** What a second use of the same key must repeat; a signature may be made anew. */
export const bodyOf = (
  checkpoint: string,
  action: Action,
  actor: string,
  { reason, to, tx_hash }: { reason?: string; to?: CheckpointStatus; tx_hash?: string },
): string => JSON.stringify([checkpoint, action, actor, reason ?? null, to ?? null, tx_hash ?? null]);

const ORDER: readonly CheckpointStatus[] = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"];
const CONFIRMED_IN: Partial<Record<CheckpointStatus, readonly CheckpointPhase[]>> = {
  SUBMITTED: ["PLANNED", "SIGNED", "SENT", "SEEN", "BLOCKED", "FAILED"],
  CLAIMABLE: ["FINAL"],
  PAID: ["CLAIMABLE", "PAYING"],
};

/** The public status is there, or one after it. */
export const hasReached = (phase: CheckpointPhase, status: CheckpointStatus): boolean =>
  publicStatus(phase) !== "VOID" && ORDER.indexOf(publicStatus(phase)) >= ORDER.indexOf(status);

/** Statuses that may follow, one step forward. */
const nextStatuses = (status: CheckpointStatus): CheckpointStatus[] =>
  ORDER.slice(ORDER.indexOf(status) + 1, ORDER.indexOf(status) + 2).filter(() => ORDER.includes(status));

/** Why `to` cannot be confirmed now, or null where the chain may be asked. */
function confirmRefusal(to: CheckpointStatus, { id, phase }: Pick<CheckpointPosition, "id" | "phase">): string | null {
  const status = publicStatus(phase);
  if (!nextStatuses(status).includes(to))
    return `${id} is ${status}; ${nextStatuses(status)[0] ?? "nothing"} follows, not ${to}`;
  if (CONFIRMED_IN[to]?.includes(phase)) return null;
  if (phase === "SEALED" || phase === "AWAITING_APPROVAL")
    return `${id} waits for approval: nothing of it can be on chain yet; approve it, and the node submits it`;
  return `${id} is ${phase}, which no transaction can confirm`;
}

/** Why an action is not open, or null; the same words for update validators, API and page. */
export const actionRefusal = (
  action: Action,
  position: Pick<CheckpointPosition, "id" | "phase">,
  to?: CheckpointStatus,
): string | null =>
  action === "confirm" ? confirmRefusal(to ?? "SUBMITTED", position) : refusal(action, position.phase);
