import type { Logger } from "pino";
import { ChainError, type ChainErrorCode, type ChainPort } from "../chain/port.ts";
import { type LogEntry, logEntryOf } from "../db/checkpoint-log.ts";
import { checkpointById, setCause, transition } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { markBatchFinal, markBatchSent } from "../db/payouts.ts";
import {
  attemptOf,
  lastAttempt,
  markSent,
  nonceIsTaken,
  noteSlot,
  type StoredPlan,
  settleAttempts,
  storeAttempt,
  storedPlan,
  storePlan,
} from "../db/submissions.ts";
import type { CheckpointPhase, CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import { asActor, blockedCause, failIllegal, positionOf } from "./checkpoint-steps.ts";

export interface SubmissionDeps {
  db: Database;
  chain: ChainPort;
  log: Logger;
  /** the crunch as the chain knows it */
  crunch: string;
  /** fills the submitter's wallet where the chain has a faucet (LOCAL) */
  fund?: () => Promise<void>;
}

/** Part 0 is the emission, 1 and up are payout batches. */
export interface Part {
  id: string;
  part: number;
}

/** What was seen; `n` is the last attempt, 0 where there is none. No key and no bytes ever leave an activity. */
export type Observation =
  | { kind: "final"; n: number; signature: string | null }
  | { kind: "seen"; n: number; signature: string }
  | { kind: "dead"; n: number; reason: string }
  | { kind: "blocked"; n: number; cause: string }
  /** two endpoints differ: nothing is known */
  | { kind: "unsure"; n: number; cause: string }
  | { kind: "claims"; n: number; claimed: number; of: number }
  | { kind: "conflict" | "live" | "absent"; n: number };

export type Prepared =
  | { kind: "signed"; n: number; signature: string }
  /** nothing to do for anybody: look again */
  | { kind: "wait"; cause: string }
  | { kind: "blocked"; cause: string };

const NODE: Pick<Reason, "actor"> = { actor: "node" };
const BEFORE_SUBMISSION: readonly CheckpointPhase[] = ["AWAITING_APPROVAL", "BLOCKED", "CONFLICT", "FAILED"];

/** Everything but signing; each safe to run again at any time. */
export function createSubmissionActivities({ db, chain, log, crunch }: SubmissionDeps) {
  return {
    /**
     * Fixes the plan and lets the submission begin, in one transaction; a plan that is there stays. From AWAITING_APPROVAL, or from BLOCKED,
     * CONFLICT and FAILED where a person said again. A cluster that must not be written to leaves it BLOCKED.
     */
    async freezePlan({ id, reason }: { id: string; reason: Reason }): Promise<CheckpointPosition> {
      const [row, before] = [await checkpointById(db, id), await positionOf(db, id)];
      if (!BEFORE_SUBMISSION.includes(before.phase)) return before; // this step was made before, by a run that could not say so
      const { merkle_root: root, emission_hash: emissionHash } = row!;
      const step = { checkpointId: id, from: before.phase, attempt: before.attempt };
      const { idx, tree_root: logRoot } = await requireLogged(db, id);
      const emission = { crunch, checkpoint: id, root, emissionHash, logSize: idx + 1, logRoot };
      const frozen = await chain.freeze(emission).catch(asBlocked);
      await db
        .transaction()
        .execute(async (tx) => {
          if ("cause" in frozen) {
            if (before.phase !== "BLOCKED")
              await transition(tx, { ...step, to: "BLOCKED", ...asActor({ ...NODE, ...frozen }) });
            return;
          }
          await storePlan(tx, id, frozen);
          await transition(tx, { ...step, to: "PLANNED", ...asActor(reason) });
        })
        .catch(failIllegal);
      return positionOf(db, id);
    },

    /** The markers at finalized, then the last attempt; nothing older than what was read for this plan before is believed. */
    async observe({ id, part }: Part): Promise<Observation> {
      const last = await lastAttempt(db, id, part);
      const n = last?.n ?? 0;
      const { plan, contextSlot } = await requirePlan(db, id, part);
      try {
        const { slot, ...verdict } = await chain.observe(plan, last, contextSlot ?? undefined);
        await noteSlot(db, id, part, slot);
        return { ...verdict, n };
      } catch (error) {
        if (hasCode(error, "DISAGREEMENT")) return { kind: "unsure", n, cause: error.message };
        return { kind: "blocked", n, cause: blockedCause(error) };
      }
    },

    /** Sends the stored bytes of attempt n. Whatever the node answers is information; only observe knows. Bytes that were lost: nothing. */
    async broadcast({ id, part, n }: Part & { n: number }): Promise<{ note: string; position: CheckpointPosition }> {
      const attempt = await attemptOf(db, id, part, n);
      if (!attempt)
        return { note: `attempt ${n} of part ${part} is not on record`, position: await positionOf(db, id) };
      const note = await chain.broadcast(attempt).then(
        () => "accepted",
        (error: unknown) => `not accepted: ${String(error)}`,
      );
      log.info({ checkpoint: id, part, attempt: n, signature: attempt.id, note }, "transaction sent");
      await db.transaction().execute(async (tx) => {
        await markSent(tx, id, part, n);
        if (part > 0) return markBatchSent(tx, id, part);
        const { phase, attempt: chainAttempt } = await positionOf(tx, id);
        if (phase !== "SIGNED") return;
        await transition(tx, {
          checkpointId: id,
          from: "SIGNED",
          to: "SENT",
          attempt: chainAttempt,
          txHash: attempt.id,
          ...asActor({ ...NODE, cause: note.slice(0, 500) }),
        });
      });
      return { note, position: await positionOf(db, id) };
    },

    /** Writes down how the attempts of a part ended: `signature` landed, or none did and none can any more. */
    async settle({ id, part, final, signature }: Part & { final: boolean; signature: string | null }): Promise<void> {
      if (!final || signature !== null) await settleAttempts(db, id, part, signature);
      if (final && part > 0) await markBatchFinal(db, id, part, signature);
    },

    /** Shows (null: clears) why the checkpoint waits. Returns where the checkpoint stands. */
    async explain({ id, cause }: { id: string; cause: string | null }): Promise<CheckpointPosition> {
      if (cause !== null) log.warn({ checkpoint: id, cause }, "the checkpoint waits");
      await setCause(db, id, cause);
      return positionOf(db, id);
    },
  };
}
export type SubmissionActivities = ReturnType<typeof createSubmissionActivities>;

/** The only holder of the key; runs on a queue of its own, one at a time. */
export function createSigningActivities({ db, chain, log, fund }: SubmissionDeps) {
  return {
    /** Signs attempt n and stores it before anybody may send it. Signed before: the stored one, whoever signed it. */
    async prepareAttempt({ id, part, n }: Part & { n: number }): Promise<Prepared> {
      const stored = await attemptOf(db, id, part, n);
      if (stored) return { kind: "signed", n, signature: stored.id };
      await fund?.();
      try {
        const { plan } = await requirePlan(db, id, part);
        const attempt = await chain.sign(plan, n, async (nonce) => !(await nonceIsTaken(db, nonce, id, part)));
        const { id: signature } = await db.transaction().execute(async (tx) => {
          const kept = await storeAttempt(tx, id, part, attempt);
          const { phase: from, attempt: chainAttempt } = await positionOf(tx, id);
          const to = part === 0 ? "SIGNED" : "PAYING";
          const moves = part === 0 ? from === "PLANNED" : from === "CLAIMABLE";
          const step = {
            checkpointId: id,
            from,
            to,
            attempt: chainAttempt,
            ...asActor({ ...NODE, cause: `attempt ${n} of part ${part} signed` }),
          } as const;
          if (moves) await transition(tx, { ...step, ...(part === 0 ? { txHash: kept.id } : {}) });
          return kept;
        });
        log.info({ checkpoint: id, part, attempt: n, signature }, "attempt signed and stored");
        return { kind: "signed", n, signature };
      } catch (error) {
        if (hasCode(error, "MARKER_TAKEN", "NONCE_BUSY", "DISAGREEMENT")) return { kind: "wait", cause: error.message };
        return { kind: "blocked", cause: blockedCause(error) };
      }
    },
  };
}
export type SigningActivities = ReturnType<typeof createSigningActivities>;

async function requirePlan(db: Database, id: string, part: number): Promise<StoredPlan> {
  const plan = await storedPlan(db, id, part);
  if (!plan) throw new Error(`${id}: part ${part} has no frozen plan`);
  return plan;
}

async function requireLogged(db: Database, id: string): Promise<LogEntry> {
  const entry = await logEntryOf(db, id);
  if (!entry) throw new Error(`${id} is not in the log of checkpoints`);
  return entry;
}

const hasCode = (error: unknown, ...codes: ChainErrorCode[]): error is ChainError =>
  error instanceof ChainError && codes.includes(error.code);

const asBlocked = (error: unknown): { cause: string } => ({ cause: blockedCause(error) });
