import type { Competition, MissingPolicy, ScoreResult } from "../competitions/competition.ts";
import type { PredictionRow } from "../db/predictions.ts";
import type { NewScore } from "../db/scores.ts";
import { scoreId } from "../domain/ids.ts";

const TRIES = 3;

type Outcome = { result: ScoreResult } | { error: string };

/** A scorer that raises, or gives no finite value, is asked three times and then leaves a dead letter; the others go on. */
function askScorer(competition: Competition, output: unknown, truth: unknown): Outcome {
  let error = "";
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      const result = competition.score(output, truth);
      const broken = Object.entries(result).find(([, v]) => typeof v === "number" && !Number.isFinite(v));
      if (typeof result.value === "number" && !broken) return { result };
      error = `the scorer answered ${broken ? `${broken[0]} = ${broken[1]}` : "no value"}`;
    } catch (raised) {
      error = String(raised);
    }
  }
  return { error };
}

/** One score per prediction of a round: scored where there is an output, by the missing policy where there is none. */
export function scorePredictions(
  competition: Competition,
  scorerHash: string,
  predictions: readonly PredictionRow[],
  truth: unknown,
): NewScore[] {
  const outcomes = predictions.map((p) =>
    p.status === "PENDING" ? askScorer(competition, p.inference_output_jsonb, truth) : null,
  );
  const values = outcomes.flatMap((o) => (o && "result" in o ? [o.result.value] : []));
  const worst = worstOf(values, competition.ranking.direction);
  return predictions.flatMap((p, i) => {
    const outcome = outcomes[i] ?? null;
    const base = { id: scoreId(p.id, scorerHash), predictionId: p.id, modelId: p.model_id, scorerHash };
    if (outcome && "result" in outcome)
      return [
        {
          ...base,
          result: outcome.result,
          value: outcome.result.value,
          pair: competition.pair(p.inference_output_jsonb, truth),
          success: true,
          failedReason: null,
        },
      ];
    if (outcome)
      return [
        {
          ...base,
          result: {},
          value: null,
          pair: null,
          success: false,
          failedReason: outcome.error,
          deadLetter: { error: outcome.error, attempts: TRIES },
        },
      ];
    return missingScore(competition, p, base, worst);
  });
}

const worstOf = (values: readonly number[], direction: "asc" | "desc"): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => (direction === "desc" ? Math.min(a, b) : Math.max(a, b)));

function missingScore(
  competition: Competition,
  p: PredictionRow,
  base: Pick<NewScore, "id" | "predictionId" | "modelId" | "scorerHash">,
  worst: number | null,
): NewScore[] {
  const policy: MissingPolicy | undefined = competition.missing[p.status as keyof Competition["missing"]];
  const value = policy?.kind === "fixed" ? policy.value : policy?.kind === "worst-of-round" ? worst : null;
  if (value === null) return [];
  return [
    {
      ...base,
      result: { value, missing: p.status },
      value,
      pair: null,
      success: false,
      failedReason: p.reason ?? p.status,
    },
  ];
}
