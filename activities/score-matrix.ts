import { CELL_BYTES, type MatrixRound, type PackedScores } from "../db/score-matrix.ts";
import type { CountedScore } from "../db/window-scores.ts";
import { isEnsembleModel } from "../domain/ensembles.ts";
import { type ScoreMatrix, scoreMatrix } from "../domain/matrix.ts";

/** The matrix of a scoring window's own scores. */
export const matrixOf = (scores: readonly CountedScore[]): ScoreMatrix =>
  scoreMatrix(
    scores.map((s) => ({
      modelId: s.model_id,
      roundId: s.round_id,
      scopeKey: s.scope_key,
      dueMs: s.due_ms,
      predicted: s.success ? s.predicted : null,
      actual: s.success ? s.actual : null,
      value: s.value,
    })),
    isEnsembleModel,
  );

/** The matrix of many rounds, from cells as the database packs them. */
export function unpackMatrix(rounds: readonly MatrixRound[], packed: readonly PackedScores[]): ScoreMatrix {
  const models = packed.toSorted(
    (a, b) =>
      Number(isEnsembleModel(a.model_id)) - Number(isEnsembleModel(b.model_id)) || (a.model_id < b.model_id ? -1 : 1),
  );
  const n = rounds.length;
  const actual = new Float64Array(n).fill(Number.NaN);
  const predicted = new Float64Array(models.length * n).fill(Number.NaN);
  const value = new Float64Array(models.length * n).fill(Number.NaN);
  const contradictory = new Set<number>();
  models.forEach(({ cells }, m) => {
    for (let at = 0; at < cells.length; at += CELL_BYTES) {
      const r = cells.readInt32BE(at);
      value[m * n + r] = cells.readDoubleBE(at + 4);
      predicted[m * n + r] = cells.readDoubleBE(at + 12);
      const happened = cells.readDoubleBE(at + 20);
      if (Number.isNaN(actual[r]!)) actual[r] = happened;
      else if (!Number.isNaN(happened) && happened !== actual[r]) contradictory.add(r);
    }
  });
  for (const r of contradictory) actual[r] = Number.NaN;
  return {
    modelIds: models.map((m) => m.model_id),
    roundIds: rounds.map((r) => r.id),
    scopeKeys: rounds.map((r) => r.scope_key),
    dueMs: Float64Array.from(rounds, (r) => r.due_at.getTime()),
    actual,
    predicted,
    value,
    contradictory: [...contradictory].map((r) => rounds[r]!.id).sort(),
  };
}
