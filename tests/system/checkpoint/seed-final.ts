import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import type { Database } from "../../../db/database.ts";
import { apportion } from "../../../domain/apportion.ts";
import { checkpointId } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";

const ALL = 1_000_000_000n;

/** Shares of so many recipients, from the greatest to the least, of 1e9 in all. */
export const fallingShares = (recipients: number): bigint[] =>
  apportion(
    ALL,
    Array.from({ length: recipients }, (_, i) => BigInt(2_000 - i)),
  );

/** A wallet that nobody has used before. */
const walletOf = async (i: number): Promise<string> => {
  const seed = new Uint8Array(32).fill(1);
  new DataView(seed.buffer).setUint32(0, i);
  return (await createKeyPairSignerFromPrivateKeyBytes(seed)).address;
};

/** A checkpoint whose emission is final on chain; the next thing is to pay it. Returns its recipients, one a share. */
export async function seedFinal(
  db: Database,
  period: Period,
  shares: readonly bigint[],
): Promise<CheckpointMeta["recipients"]> {
  const recipients = await Promise.all(
    shares.map(async (frac64, i) => ({
      ...{ cruncher_id: `c${i}`, name: `c${i}`, address: await walletOf(i), cruncher_index: i, frac64: Number(frac64) },
    })),
  );
  const meta: CheckpointMeta = {
    ...{ snapshot_count: 0, model_count: 0, ranking: [], unranked: [], recipients, emission_rule: null },
    ranked_by: { field: "value", key: "value", direction: "desc" },
  };
  await db
    .insertInto("checkpoints")
    .values({
      ...{ id: checkpointId(period.endMs), period_start: new Date(period.startMs), period_end: new Date(period.endMs) },
      ...{ status: "SUBMITTED", phase: "FINAL", cause: null, entries_jsonb: "[]", emission_jsonb: "{}" },
      ...{ meta_jsonb: JSON.stringify(meta), merkle_root: "00".repeat(32), emission_hash: "11".repeat(32) },
      ...{ tx_hash: "sig", submitted_at: new Date() },
    })
    .execute();
  return recipients;
}
