import type { Logger } from "pino";
import { splitPool } from "../chain/payout/split.ts";
import { ChainError, type ChainPort, type FrozenPlan } from "../chain/port.ts";
import { checkpointById, setCause, transition } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { batchesOf, markBatchFinal, type PayoutBatchRow, setBatchCause, storeBatches } from "../db/payouts.ts";
import { lastAttempt, noteSlot, settleAttempts } from "../db/submissions.ts";
import type { CheckpointPosition } from "../domain/checkpoint.ts";
import { inLanes } from "../domain/lanes.ts";
import { asActor, failIllegal, positionOf } from "./checkpoint-steps.ts";
import { payoutTable } from "./payout-table.ts";
import type { CheckpointMeta } from "./seal.ts";

/** What one checkpoint pays out over all its recipients. */
export interface Pool {
  /** of the token; null: SOL */
  mint: string | null;
  /** the token's smallest units, or lamports */
  units: bigint;
}

export interface PayoutDeps {
  db: Database;
  chain: ChainPort;
  log: Logger;
  crunch: string;
  pool: Pool;
  /** fills the payer's wallet where the chain has a faucet (LOCAL) */
  fund?: () => Promise<void>;
}

/** What to do next for one batch: sign attempt n, or send its stored bytes (again). */
export interface PayoutStep {
  part: number;
  n: number;
  next: "sign" | "send";
}

export interface PayoutLook {
  /** batches that are not final */
  open: number;
  steps: PayoutStep[];
  /** why nothing more is signed, or why a batch does not go on */
  cause: string | null;
  /** Markdown, for the Temporal UI */
  table: string;
}

/** Batches under way at once: what one pass asks the chain about. */
const IN_FLIGHT = 16;
const READS_AT_ONCE = 4;

export function createPayoutActivities(deps: PayoutDeps) {
  const { db, chain, log, crunch, pool } = deps;
  return {
    /** Fixes who gets how much in which transaction, and makes the checkpoint claimable, in one transaction. FINAL, with the cause, where it cannot. */
    async freezePayouts({ id }: { id: string }): Promise<CheckpointPosition> {
      const [row, before] = [await checkpointById(db, id), await positionOf(db, id)];
      const { recipients } = row!.meta_jsonb as unknown as CheckpointMeta;
      const transfers = splitPool(pool.units, recipients);
      const plans = await chain
        .freezePayouts({ crunch, checkpoint: id, mint: pool.mint, transfers })
        .catch(unusableAnswer);
      if ("cause" in plans) {
        await setCause(db, id, plans.cause);
        return positionOf(db, id);
      }
      const cause = `${transfers.length} recipients in ${plans.length} batches`;
      await db
        .transaction()
        .execute(async (tx) => {
          const step = { checkpointId: id, from: "FINAL", to: "CLAIMABLE", attempt: before.attempt } as const;
          // Stored only by whoever makes the step: settings may have changed since another run froze its batches.
          if ((await transition(tx, { ...step, ...asActor({ actor: "node", cause }) })) === "moved")
            await storeBatches(tx, id, plans);
        })
        .catch(failIllegal);
      return positionOf(db, id);
    },

    /**
     * Looks at the markers of the batches that are not final, writes down those that are by now, and says what to do next for the others.
     * Nothing is to be signed while the payer cannot pay for all of it: nobody is preferred.
     */
    async observePayouts({ id }: { id: string }): Promise<PayoutLook> {
      const before = await batchesOf(db, id);
      const seen = await inLanes(READS_AT_ONCE, underWay(before), (row) => observeBatch(deps, row)).catch(
        unusableAnswer,
      );
      const rows = await batchesOf(db, id);
      const open = rows.filter((row) => row.status !== "FINAL");
      const answer = { open: open.length, table: payoutTable(rows) };
      if ("cause" in seen) return { ...answer, ...seen, steps: [] };
      const steps = seen.filter((step) => step !== null);
      const lacking = await shortfall(deps, open, steps);
      if (lacking === null) return { ...answer, steps, cause: open.find((row) => row.cause !== null)?.cause ?? null };
      return { ...answer, steps: steps.filter((step) => step.next === "send"), cause: lacking };
    },

    /** Shows why one batch does not go on, until it is sent. */
    async explainBatch({ id, part, cause }: { id: string; part: number; cause: string }): Promise<void> {
      log.warn({ checkpoint: id, part, cause }, "a payout batch does not go on");
      await setBatchCause(db, id, part, cause);
    },
  };
}
export type PayoutActivities = ReturnType<typeof createPayoutActivities>;

const planOf = (row: PayoutBatchRow): FrozenPlan => row.plan_jsonb as unknown as FrozenPlan;

/** The first ones that are open; those that cannot go on come last, so that they hold up nobody else. */
const underWay = (rows: readonly PayoutBatchRow[]): PayoutBatchRow[] =>
  rows
    .filter((row) => row.status !== "FINAL")
    .sort((a, b) => Number(a.cause !== null) - Number(b.cause !== null) || a.part - b.part)
    .slice(0, IN_FLIGHT);

/** Null where there is nothing to do but wait. */
async function observeBatch({ db, chain }: PayoutDeps, row: PayoutBatchRow): Promise<PayoutStep | null> {
  const { checkpoint_id: id, part } = row;
  const last = await lastAttempt(db, id, part);
  const n = last?.n ?? 0;
  const seen = await chain.observe(planOf(row), last, row.context_slot ?? undefined);
  await noteSlot(db, id, part, seen.slot);
  if (seen.kind === "final") await settleFinal(db, id, part, seen.signature);
  if (seen.kind === "live") return { part, n, next: "send" };
  if (seen.kind === "absent") return { part, n: n + 1, next: "sign" };
  if (seen.kind === "claims") await setBatchCause(db, id, part, `paid to ${seen.claimed} of ${seen.of} so far`);
  if (seen.kind !== "dead") return null;
  await settleAttempts(db, id, part, null);
  return { part, n: n + 1, next: "sign" };
}

const settleFinal = (db: Database, id: string, part: number, signature: string | null): Promise<void> =>
  db.transaction().execute(async (tx) => {
    if (signature !== null) await settleAttempts(tx, id, part, signature);
    await markBatchFinal(tx, id, part, signature);
  });

/** What the payer lacks for everything that is still to be signed: what this pass would sign, and what was never sent. */
async function shortfall(
  { chain, fund }: PayoutDeps,
  open: readonly PayoutBatchRow[],
  steps: readonly PayoutStep[],
): Promise<string | null> {
  const signs = new Set(steps.filter((step) => step.next === "sign").map((step) => step.part));
  if (signs.size === 0) return null;
  await fund?.();
  const looked = new Set(underWay(open).map((row) => row.part));
  const unpaid = open.filter(({ part, status }) => signs.has(part) || (!looked.has(part) && status === "PLANNED"));
  const lacking = await chain.shortfall(unpaid.map(planOf)).catch(unusableAnswer);
  if (lacking === null) return null;
  return typeof lacking === "string" ? `NO_FUNDS: ${lacking}` : lacking.cause;
}

/** What a person has to see; an endpoint that does not answer is only asked again. */
function unusableAnswer(error: unknown): { cause: string } {
  if (error instanceof ChainError && error.code !== "UNREACHABLE") return { cause: `${error.code}: ${error.message}` };
  throw error;
}
