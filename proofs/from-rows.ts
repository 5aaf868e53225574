import { publicReason } from "../domain/public-reason.ts";
import type { CycleRecord, RoundRecord, SaidPrediction, ScoreRecord, SnapshotRecord } from "./records.ts";

/** Records from rows as the database gives them: the only place that says which column goes where. */
export interface RoundFacts {
  id: string;
  scope_key: string;
  scope_jsonb: unknown;
  due_at: Date;
  resolve_at: Date;
  contract_hash: string;
  input_hash: string | null;
  truth: unknown;
  truth_evidence: unknown;
}

export const roundRecord = (row: RoundFacts): RoundRecord => ({
  type: "round/1",
  id: row.id,
  scope_key: row.scope_key,
  scope: row.scope_jsonb,
  due_at: row.due_at.toISOString(),
  resolve_at: row.resolve_at.toISOString(),
  contract_hash: row.contract_hash,
  input_hash: row.input_hash,
  truth: row.truth,
  truth_evidence: row.truth_evidence,
});

export interface PredictionFacts {
  status: string;
  reason: string | null;
  inference_output_jsonb: unknown;
}
export interface ScoreFacts {
  model_id: string;
  deployment_id: string;
  scorer_hash: string;
  value: number | null;
  success: boolean;
  failed_reason: string | null;
  result_jsonb: unknown;
}

/** `round`: hash of the round's record. */
export const scoreRecord = (round: string, prediction: PredictionFacts, score: ScoreFacts): ScoreRecord => ({
  type: "score/1",
  round,
  model_id: score.model_id,
  deployment_id: score.deployment_id,
  prediction: saidBy(prediction, score),
  scorer_hash: score.scorer_hash,
  score: {
    value: score.value,
    success: score.success,
    failed_reason: publicReason(score.failed_reason),
    result: score.result_jsonb,
  },
});

/**
 * What the model did, which scoring and later decisions do not change: an output stays, whatever became of it, and of a row without one that
 * was voided since, the score tells status and reason. Records are for everybody: reasons stand without the words of a model.
 */
function saidBy(
  { status, reason, inference_output_jsonb: output }: PredictionFacts,
  score: ScoreFacts,
): SaidPrediction {
  if (output !== null) return { status: "PENDING", reason: null, output };
  if (status !== "VOIDED") return { status, reason: publicReason(reason), output: null };
  const missing = String((score.result_jsonb as { missing?: unknown }).missing);
  const why = score.failed_reason === missing ? null : score.failed_reason;
  return { status: missing, reason: publicReason(why), output: null };
}

export interface SnapshotFacts {
  id: string;
  model_id: string;
  period_start: Date;
  period_end: Date;
  revision: number;
  supersedes: string | null;
  prediction_count: number;
  result_summary_jsonb: unknown;
  scores_root: string;
  /** how many */
  scores: number;
}

export const snapshotRecord = (row: SnapshotFacts): SnapshotRecord => ({
  type: "snapshot/1",
  id: row.id,
  model_id: row.model_id,
  period_start: row.period_start.toISOString(),
  period_end: row.period_end.toISOString(),
  revision: row.revision,
  supersedes: row.supersedes,
  prediction_count: row.prediction_count,
  result_summary: row.result_summary_jsonb,
  scores_root: row.scores_root,
  scores: row.scores,
});

export interface CycleFacts {
  id: string;
  window_start: Date;
  window_end: Date;
  snapshots_root: string;
  snapshot_count: number;
  /** hash of the cycle before; null: the first */
  previous_cycle_root: string | null;
}

export const cycleRecord = (row: CycleFacts): CycleRecord => ({
  type: "cycle/1",
  id: row.id,
  window_start: row.window_start.toISOString(),
  window_end: row.window_end.toISOString(),
  snapshots_root: row.snapshots_root,
  snapshots: row.snapshot_count,
  previous: row.previous_cycle_root,
});
