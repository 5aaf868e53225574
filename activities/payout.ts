import { splitPool } from "../chain/payout/split.ts";
import type { ChainPort } from "../chain/port.ts";
import { checkpointById, transition } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { openParts, storeBatches } from "../db/payouts.ts";
import type { CheckpointPosition } from "../domain/checkpoint.ts";
import { asActor, failIllegal, positionOf } from "./checkpoint-steps.ts";
import type { CheckpointMeta } from "./seal.ts";

export interface PayoutDeps {
  db: Database;
  chain: ChainPort;
  crunch: string;
  /** lamports over all recipients of a checkpoint */
  poolLamports: bigint;
}

export function createPayoutActivities({ db, chain, crunch, poolLamports }: PayoutDeps) {
  return {
    /** Fixes who gets how much in which transaction, and makes the checkpoint claimable, in one transaction. */
    async freezePayouts({ id }: { id: string }): Promise<CheckpointPosition> {
      const [row, before] = [await checkpointById(db, id), await positionOf(db, id)];
      const { recipients } = row!.meta_jsonb as unknown as CheckpointMeta;
      const transfers = splitPool(poolLamports, recipients);
      const plans = await chain.freezePayouts({ crunch, checkpoint: id, transfers });
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

    /** Batches that are not final yet. */
    openPayouts: ({ id }: { id: string }): Promise<number[]> => openParts(db, id),
  };
}
export type PayoutActivities = ReturnType<typeof createPayoutActivities>;
