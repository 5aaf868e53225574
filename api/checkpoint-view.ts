import type { ListedCheckpoint } from "../db/checkpoints.ts";
import { type Decision, refusal } from "../domain/checkpoint.ts";
import { checkpointWorkflowId } from "../domain/ids.ts";
import type { CheckpointList, CheckpointView } from "./contract/checkpoints.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import { sealedMeta } from "./sealed-meta.ts";

const DECISIONS: readonly Decision[] = ["approve", "retry", "retryBlocked", "void"];

/** One line of the list. */
export function listedCheckpointOf(row: ListedCheckpoint): CheckpointList["data"][number] {
  const { snapshot_count, model_count } = sealedMeta.parse(row.meta_jsonb);
  const { id, status, phase, cause, tx_hash } = row;
  return {
    ...{ id, status, phase, cause, tx_hash, snapshot_count, model_count },
    ...{ period_start: toIso(row.period_start), period_end: toIso(row.period_end) },
    ...{ created_at: toIso(row.created_at), submitted_at: toIsoOrNull(row.submitted_at) },
  };
}

/** A checkpoint with who gets what of it, and who approved it. */
export function checkpointViewOf(
  competition: string,
  row: ListedCheckpoint,
  approvals: readonly { actor: string; at: Date }[],
): CheckpointView {
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
    version: row.version,
    approvals: approvals.map(({ actor, at }) => ({ actor, at: toIso(at) })),
    approvals_needed: row.approvals_needed,
    objection_until: toIsoOrNull(row.objection_until),
    open_decisions: DECISIONS.filter((decision) => refusal(decision, row.phase) === null),
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
