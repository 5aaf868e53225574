import type { z } from "zod";
import type { PredictionRow } from "../db/predictions.ts";
import type { RoundRow } from "../db/rounds.ts";
import type { ScoreRow } from "../db/scores.ts";
import { publicReason } from "../domain/public-reason.ts";
import { NO_COUNTS } from "../domain/round.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import type { Round, roundPrediction } from "./contract/rounds.ts";

export const roundOf = (row: RoundRow): Round => ({
  id: row.id,
  scope_key: row.scope_key,
  status: row.status,
  reason: row.reason,
  due_at: toIso(row.due_at),
  resolve_at: toIso(row.resolve_at),
  collected_at: toIsoOrNull(row.collected_at),
  finished_at: toIsoOrNull(row.finished_at),
  counts: { ...NO_COUNTS, ...row.counts_jsonb },
});

/** What the caller may see: the outputs of models, and their own words about a failure. */
interface Sight {
  readonly outputs: boolean;
  readonly reasons: boolean;
}

export const roundPredictionOf = (
  p: PredictionRow,
  score: ScoreRow | undefined,
  sight: Sight,
): z.infer<typeof roundPrediction> => ({
  id: p.id,
  model_id: p.model_id,
  deployment_id: p.deployment_id,
  status: p.status,
  reason: sight.reasons ? p.reason : publicReason(p.reason),
  exec_time_us: Number(p.exec_time_us),
  performed_at: toIso(p.performed_at),
  ...(sight.outputs ? { output: p.inference_output_jsonb } : {}),
  score: score
    ? {
        value: score.value,
        success: score.success,
        failed_reason: sight.reasons ? score.failed_reason : publicReason(score.failed_reason),
        result: score.result_jsonb,
        scorer_hash: score.scorer_hash,
        scored_at: toIso(score.scored_at),
      }
    : null,
});
