import { retriedModels } from "../db/dead-letters.ts";
import { scorablePredictionsOf } from "../db/predictions.ts";
import type { RoundRow } from "../db/rounds.ts";
import { type NewScore, type ScoreRow, scoresOf } from "../db/scores.ts";
import { truthOf } from "../db/truths.ts";
import { type Difference, firstDifference } from "../domain/difference.ts";
import { asJson } from "./as-json.ts";
import { equal, judged, type Part, skipped } from "./replay-part.ts";
import { scoreRoundsAgain } from "./rescoring.ts";
import type { ReplayDeps } from "./round-replay.ts";

/** Scores a round again from its stored outputs and truth, and compares the scores that count today. */
export async function replayScores({ db, competition: loaded }: ReplayDeps, round: RoundRow): Promise<Part> {
  if (round.status !== "SCORED") return skipped("scores", `the round is ${round.status}`);
  const stored = await scoresOf(db, round);
  const truth = await truthOf(db, round.id);
  const predictions = (await scorablePredictionsOf(db, [round])).get(round.id) ?? [];
  if (!truth || predictions.length === 0)
    return skipped("scores", "its predictions or its truth are not stored any more");
  const retried = new Set(await retriedModels(db, round.id));
  const scope = round.scope_jsonb as never;
  const [made, before] = await scoreRoundsAgain(loaded, [
    { predictions, truth, scope },
    { predictions: predictions.filter((p) => !retried.has(p.model_id)), truth, scope },
  ]);
  const comparisons = compare(stored, made!, before!);
  const own = comparisons.find((c) => c.hash === loaded.scorerHash);
  const first = own ?? comparisons[0];
  if (!first) return equal("scores", `${stored.length} scores`);
  const foreign = first.hash === loaded.scorerHash ? null : `the scores are of another scorer, ${first.hash}`;
  return judged("scores", first.difference, `of ${stored.length} scores`, foreign);
}

/** What was stored, by model, and how it differs; a missing one may also be as bad as the round was before a dead letter was retried. */
function compare(stored: readonly ScoreRow[], made: readonly NewScore[], before: readonly NewScore[]) {
  const [was, now, earlier] = [byModel(stored.map(ofRow)), byModel(made.map(ofNew)), byModel(before.map(ofNew))];
  const hashes = new Map(stored.map((s) => [s.model_id, s.scorer_hash]));
  return [...new Set([...was.keys(), ...now.keys()])].sort().flatMap((model) => {
    const field = `scores.${model}`;
    const difference = firstDifference(was.get(model), now.get(model), field);
    if (difference === null || firstDifference(was.get(model), earlier.get(model), field) === null) return [];
    return [{ hash: hashes.get(model) ?? made[0]?.scorerHash ?? "", difference }] satisfies Comparison[];
  });
}
interface Comparison {
  hash: string;
  difference: Difference;
}

const byModel = (scores: readonly [string, unknown][]): Map<string, unknown> => new Map(scores);
const ofRow = (s: ScoreRow): [string, unknown] => [
  s.model_id,
  asJson({
    value: s.value,
    predicted: s.predicted,
    actual: s.actual,
    success: s.success,
    failed_reason: s.failed_reason,
    result: s.result_jsonb,
  }),
];
const ofNew = (s: NewScore): [string, unknown] => [
  s.modelId,
  asJson({
    value: s.value,
    predicted: s.pair?.predicted ?? null,
    actual: s.pair?.actual ?? null,
    success: s.success,
    failed_reason: s.failedReason,
    result: s.result,
  }),
];
