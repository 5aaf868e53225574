import * as ed25519 from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { ApplicationFailure } from "@temporalio/workflow";
import type { CheckpointPosition, Decision } from "../domain/checkpoint.ts";
import {
  type Action,
  actionRefusal,
  actorOf,
  bodyOf,
  type ConfirmInput,
  type Control,
  DecisionError,
  type DecisionInput,
  decisionInput,
  expiryProblem,
  type RecordedDecision,
  statementOf,
} from "../domain/decision.ts";
import { decisionBytes, decisionText } from "../proofs/decision.ts";
import { fromHex } from "../proofs/hash.ts";

ed25519.hashes.sha512 = sha512; // the sandbox has no WebCrypto, and a validator may not wait for it

/** Why an update is refused: `type` for programs, the message for people. */
export const refuse = (type: string, message: string) => ApplicationFailure.nonRetryable(message, type);

export type Asked = RecordedDecision & { to?: ConfirmInput["to"]; txHash?: string };

/**
 * What is asked for, checked as far as the run's own state goes. Off LOCAL a decision carries the signature of a configured approver. Throws
 * BadDecision, Unsigned, NotApprover, BadSignature, Expired. `newKey` names a decision that came without a key (LOCAL only).
 */
export function askedOf(
  control: Control,
  { id }: CheckpointPosition,
  action: Action,
  raw: unknown,
  newKey: () => string,
): Asked {
  const input = inputOf(raw);
  const actor = actorOf(control.signed, action, input);
  if (action === "confirm") return confirmation(id, actor, (raw as ConfirmInput).to, input, newKey);
  if (action === "void" && input.reason === undefined)
    throw refuse("BadDecision", 'void needs a reason: {"reason":"…"}');
  const body = bodyOf(id, action, actor, input);
  const asked = { checkpoint: id, action, actor, reason: input.reason ?? null, body };
  if (!control.signed) return { ...asked, key: input.key ?? newKey(), statement: null, signature: null };
  const { approver, signature, key, expires_at } = input;
  if (!approver || !signature || !key || !expires_at)
    throw refuse("Unsigned", `${action} on ${control.network} needs an approver's signature. ${howToSign(id, action)}`);
  return { ...asked, key, statement: decisionText(statementOf(control, id, action, input)), signature };
}

const howToSign = (id: string, action: Action): string => {
  const reason = action === "void" ? ' --reason "…"' : "";
  return `Run \`almanac checkpoint sign ${id} ${action}${reason} --key <key file>\`: it prints the argument of this update`;
};

/** Why an approved checkpoint does not go on yet, or null. */
export function waitsFor(
  { approvals, approvalsNeeded, objectionUntilMs }: Control,
  { phase }: CheckpointPosition,
): string | null {
  if (phase !== "AWAITING_APPROVAL") return null;
  if (approvals.length < approvalsNeeded) return `${approvals.length} of ${approvalsNeeded} approvals`;
  return `the objection window, open until ${new Date(objectionUntilMs).toISOString()}`;
}

const ACTIONS: readonly Decision[] = ["approve", "retry", "retryBlocked", "void"];

/** For the details in the Temporal UI: what it waits for, and how a person decides. */
export function whatIsOpen(control: Control | null, at: CheckpointPosition): string[] {
  if (control === null) return [];
  const waits = waitsFor(control, at);
  const open = ACTIONS.filter((action) => actionRefusal(action, at) === null);
  const how = control.signed ? open.map((action) => `- ${howToSign(at.id, action)}`) : [];
  return [
    ...(waits === null ? [] : [`waits for ${waits}`]),
    ...(control.approvals.length > 0 && waits !== null ? [`approved by ${control.approvals.join(", ")}`] : []),
    ...(open.length > 0 ? [[`open to decide: ${open.join(", ")}`, ...how].join("\n")] : []),
  ];
}

/** The signature and its time. Costs some milliseconds, so it comes after the cheaper refusals. */
export function requireSignature(control: Control, asked: Asked, raw: unknown, nowMs: number): void {
  if (!control.signed || asked.action === "confirm") return;
  const approver = control.approvers.find(({ address }) => address === asked.actor);
  if (!approver) throw refuse("NotApprover", notApprover(control, asked.actor));
  const statement = statementOf(control, asked.checkpoint, asked.action, inputOf(raw));
  const late = expiryProblem(statement, nowMs);
  if (late !== null) throw refuse("Expired", late);
  if (!verifies(asked.signature!, decisionBytes(statement), approver.publicKey))
    throw refuse(
      "BadSignature",
      `the signature does not belong to this text: ${decisionText(statement)} ${howToSign(asked.checkpoint, asked.action)}`,
    );
}

export const notApprover = ({ approvers }: Control, actor: string): string =>
  `${actor} is no approver; APPROVERS has ${approvers.map(({ address }) => address).join(", ")}`;

function verifies(signature: string, message: Uint8Array, publicKey: string): boolean {
  if (!/^[0-9a-f]{128}$/i.test(signature)) return false;
  return ed25519.verify(fromHex(signature), message, fromHex(publicKey), { zip215: false });
}

function confirmation(
  id: string,
  actor: string,
  to: ConfirmInput["to"],
  { key, tx_hash }: ReturnType<typeof inputOf>,
  newKey: () => string,
): Asked {
  if (to !== "SUBMITTED" && to !== "CLAIMABLE" && to !== "PAID")
    throw refuse("BadDecision", "to is SUBMITTED, CLAIMABLE or PAID");
  if (to === "SUBMITTED" && tx_hash === undefined)
    throw refuse("BadDecision", "SUBMITTED is confirmed by a transaction: name its signature as tx_hash");
  const named = tx_hash === undefined ? {} : { tx_hash };
  return {
    ...{
      key: key ?? newKey(),
      checkpoint: id,
      action: "confirm",
      actor,
      reason: null,
      statement: null,
      signature: null,
    },
    ...{
      body: bodyOf(id, "confirm", actor, { to, ...named }),
      to,
      ...(tx_hash === undefined ? {} : { txHash: tx_hash }),
    },
  };
}

function inputOf(raw: unknown): DecisionInput & { tx_hash?: string } {
  try {
    return decisionInput(raw);
  } catch (error) {
    if (error instanceof DecisionError) throw refuse("BadDecision", error.message);
    throw error;
  }
}
