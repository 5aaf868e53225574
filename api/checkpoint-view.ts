import { z } from "zod";
import type { ListedCheckpoint } from "../db/checkpoints.ts";
import { checkpointWorkflowId } from "../domain/ids.ts";
import type { CheckpointView } from "./contract/checkpoints.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";

/** What a seal writes beside the entries; what an older version left out is empty. */
const sealedMeta = z.object({
  snapshot_count: z.number().int().default(0),
  model_count: z.number().int().default(0),
  ranking: z.array(z.object({ model_name: z.string(), cruncher_id: z.string() })).default([]),
  recipients: z
    .array(
      z.object({
        cruncher_id: z.string(),
        name: z.string(),
        address: z.string(),
        cruncher_index: z.number().int(),
        frac64: z.number().int(),
      }),
    )
    .default([]),
});

/** A checkpoint with who gets what of it. */
export function checkpointViewOf(competition: string, row: ListedCheckpoint): CheckpointView {
  const meta = sealedMeta.parse(row.meta_jsonb);
  return {
    id: row.id,
    period_start: toIso(row.period_start),
    period_end: toIso(row.period_end),
    status: row.status,
    phase: row.phase,
    cause: row.cause,
    created_at: toIso(row.created_at),
    submitted_at: toIsoOrNull(row.submitted_at),
    tx_hash: row.tx_hash,
    merkle_root: row.merkle_root,
    emission_hash: row.emission_hash,
    snapshot_count: meta.snapshot_count,
    model_count: meta.model_count,
    workflow_id: checkpointWorkflowId(competition, row.period_end.getTime()),
    emission: meta.recipients.map((r) => ({
      cruncher_id: r.cruncher_id,
      cruncher_name: r.name,
      cruncher_index: r.cruncher_index,
      wallet: r.address,
      models: meta.ranking.filter((m) => m.cruncher_id === r.cruncher_id).map((m) => m.model_name),
      frac64: String(r.frac64),
    })),
  };
}
