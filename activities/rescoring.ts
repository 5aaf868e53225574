import type { Scope } from "../competitions/competition.ts";
import type { ScorableRow } from "../db/predictions.ts";
import type { NewScore } from "../db/scores.ts";
import { isEnsembleModel } from "../domain/ensembles.ts";
import { type ScoringRules, scoreAnswered, withMissing } from "./scorer.ts";

/** A scorer's time limit is one for a batch. */
const BATCH = 1_000;

/** A round that was scored once: its rows as they stand, and what its scorer was asked about. */
export interface ScoredRound {
  predictions: readonly ScorableRow[];
  truth: unknown;
  scope: Scope;
}

/** It had a valid answer when it was collected, whatever became of it: a FAILED one with an output was refused by the scorer. */
const isAnswered = (p: ScorableRow): boolean =>
  (p.status === "SCORED" || p.status === "FAILED" || p.status === "PENDING") && p.inference_output_jsonb !== null;

/**
 * What the scorer says of rounds that were scored before, as if it were asked for the first time: in batches across rounds, the missing
 * policy for each, ensembles beside it. What was voided or excused is left out. One list of scores a round, in order.
 */
export async function scoreRoundsAgain(
  rules: ScoringRules,
  rounds: readonly ScoredRound[],
  signal?: AbortSignal,
): Promise<NewScore[][]> {
  const answered = rounds.map((round) => round.predictions.filter(isAnswered));
  const asked = rounds.flatMap(({ truth, scope }, i) =>
    answered[i]!.map((prediction) => ({ prediction, truth, scope })),
  );
  const scores: NewScore[] = [];
  for (let from = 0; from < asked.length; from += BATCH)
    scores.push(...(await scoreAnswered(rules, asked.slice(from, from + BATCH), signal)));
  let at = 0;
  return rounds.map(({ predictions }, i) => {
    const own = scores.slice(at, at + answered[i]!.length);
    at += own.length;
    return completed(rules, predictions, answered[i]!, own);
  });
}

/** An ensemble is nobody's worst, and one that the scorer refuses has no score. */
function completed(
  rules: ScoringRules,
  predictions: readonly ScorableRow[],
  answered: readonly ScorableRow[],
  scores: readonly NewScore[],
): NewScore[] {
  const of = new Map(answered.flatMap((p, i) => (isEnsembleModel(p.model_id) ? [] : [[p.id, scores[i]!] as const])));
  const models = predictions.filter((p) => !isEnsembleModel(p.model_id));
  const ensembles = scores.filter((s) => isEnsembleModel(s.modelId) && !s.deadLetter);
  return [...withMissing(rules, models, of), ...ensembles];
}
