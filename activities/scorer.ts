import type { Competition, Scope } from "../competitions/competition.ts";
import type { Outcome, ScoreItem, Scorer } from "../competitions/scorer.ts";
import type { ScorableRow } from "../db/predictions.ts";
import type { NewScore } from "../db/scores.ts";
import { scoreId } from "../domain/ids.ts";

const TRIES = 3;
const MOST_TEXT = 500;

/** What a prediction earned, or why the scorer gave nothing for it. */
type Answer = { result: Record<string, unknown>; value: number | null; failed: string | null } | Refusal;
interface Refusal {
  error: string;
  attempts: number;
}

export interface ScoringRules {
  competition: Competition;
  scorer: Scorer;
}

/**
 * One score per prediction of a round: by the scorer where there is an output, by the missing policy where there is none or the scorer
 * refused it. The answer depends on the rows alone, never on their order.
 */
export async function scorePredictions(
  { competition, scorer }: ScoringRules,
  predictions: readonly ScorableRow[],
  { truth, scope }: Pick<Answered, "truth" | "scope">,
  signal?: AbortSignal,
): Promise<NewScore[]> {
  const answered = predictions.filter((p) => p.status === "PENDING");
  const scores = await scoreAnswered(
    { competition, scorer },
    answered.map((prediction) => ({ prediction, truth, scope })),
    signal,
  );
  return withMissing({ competition, scorer }, predictions, new Map(answered.map((p, i) => [p.id, scores[i]!])));
}

/** The scores of a round's answers, by prediction, made complete: whoever has none, or was refused, gets what the missing policy says. */
export function withMissing(
  { competition, scorer }: ScoringRules,
  predictions: readonly ScorableRow[],
  scored: ReadonlyMap<string, NewScore>,
): NewScore[] {
  const worst = worstOf([...scored.values()], competition.ranking.direction);
  return predictions.flatMap((p) => {
    const score = scored.get(p.id);
    if (score && !score.deadLetter) return [score];
    const missing = score ? "FAILED" : p.status;
    return isMissing(missing) ? [missingScore(competition, scorer.hash, p, missing, worst, score)] : [];
  });
}

/** A prediction that has an output, and what reality answered to its round. */
export interface Answered {
  prediction: Omit<ScorableRow, "status" | "reason">;
  truth: unknown;
  scope: Scope;
}

/** One score each, in order; a refused one has a dead letter and no value. */
export async function scoreAnswered(
  { competition, scorer }: ScoringRules,
  answered: readonly Answered[],
  signal?: AbortSignal,
): Promise<NewScore[]> {
  const answers = await askScorer(scorer, answered.map(itemOf), signal);
  return answered.map((a, i) => scoreOf(competition, scorer.hash, a, answers[i]!));
}

const itemOf = ({ prediction: p, truth, scope }: Answered): ScoreItem => ({
  predictionId: p.id,
  modelId: p.model_id,
  output: p.inference_output_jsonb,
  truth,
  scope,
});

/** Asks in one batch; what fails is asked again, in a batch of the failed ones, until it has had its three tries. */
async function askScorer(scorer: Scorer, items: readonly ScoreItem[], signal?: AbortSignal): Promise<Answer[]> {
  const answers = new Array<Answer>(items.length);
  let open = items.map((_, i) => i);
  for (let attempt = 1; attempt <= TRIES && open.length > 0; attempt++) {
    const batch = open.map((i) => items[i]!);
    const outcomes = await scorer.scoreBatch(batch, signal);
    if (outcomes.length !== batch.length)
      throw new Error(`the scorer gave ${outcomes.length} answers to ${batch.length} predictions`);
    const again: number[] = [];
    open.forEach((i, k) => {
      answers[i] = judge(outcomes[k]!, attempt);
      if ("error" in answers[i] && !isFinal(outcomes[k]!)) again.push(i);
    });
    open = again;
  }
  return answers;
}

const isFinal = (outcome: Outcome): boolean => "error" in outcome && outcome.final === true;

/** A scorer may answer anything: only a finite `value`, or an explicit failure, is taken. */
function judge(outcome: Outcome, attempts: number): Answer {
  const refuse = (error: string): Refusal => ({ error: clean(error), attempts });
  if ("error" in outcome) return refuse(outcome.error);
  const result: unknown = outcome.result;
  if (typeof result !== "object" || result === null || Array.isArray(result))
    return refuse(`the scorer answered ${result === null ? "null" : typeof result}, not an object with a value`);
  const fields = result as Record<string, unknown>;
  if (fields.success === false)
    return {
      result: finiteOnly(fields),
      value: null,
      failed: clean(String(fields.failed_reason ?? "the scorer says so")),
    };
  const broken = Object.entries(fields).find(([, v]) => typeof v === "number" && !Number.isFinite(v));
  if (broken) return refuse(`the scorer answered ${broken[0]} = ${String(broken[1])}`);
  if (typeof fields.value !== "number") return refuse("the scorer answered no value");
  return { result: fields, value: fields.value, failed: null };
}

const finiteOnly = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, v]) => typeof v !== "number" || Number.isFinite(v)));

/** What the database can hold: no NUL, no half of a surrogate pair, not endless. */
const clean = (text: string): string => text.replaceAll("\u0000", "").toWellFormed().slice(0, MOST_TEXT).toWellFormed();

const baseOf = (hash: string, p: Answered["prediction"]) => ({
  id: scoreId(p.id, hash),
  predictionId: p.id,
  modelId: p.model_id,
  deploymentId: p.deployment_id,
  scorerHash: hash,
});

function scoreOf(competition: Competition, hash: string, { prediction: p, truth }: Answered, answer: Answer): NewScore {
  const base = baseOf(hash, p);
  if ("error" in answer) {
    const none = { result: {}, value: null, pair: null, success: false, failedReason: answer.error };
    return { ...base, ...none, deadLetter: answer };
  }
  const { result, value, failed } = answer;
  if (failed !== null) return { ...base, result, value, pair: null, success: false, failedReason: failed };
  const pair = pairOf(competition, p.inference_output_jsonb, truth);
  return { ...base, result, value, pair, success: true, failedReason: null };
}

/** Metrics leave out what has no finite pair; the score itself stands. */
function pairOf(competition: Competition, output: unknown, truth: unknown): NewScore["pair"] {
  try {
    const pair = competition.pair(output, truth);
    return pair && Number.isFinite(pair.predicted) && Number.isFinite(pair.actual) ? pair : null;
  } catch {
    return null;
  }
}

const worstOf = (scores: readonly NewScore[], direction: "asc" | "desc"): number | null => {
  const values = scores.flatMap((s) => (s.value === null ? [] : [s.value]));
  return values.length === 0 ? null : values.reduce((a, b) => (direction === "desc" ? Math.min(a, b) : Math.max(a, b)));
};

type Missing = keyof Competition["missing"];
const isMissing = (status: string): status is Missing => ["ABSENT", "TIMEOUT", "FAILED"].includes(status);

/** By the contract's policy; a row without a value counts in no mean, but as a round that was not answered. */
function missingScore(
  competition: Competition,
  hash: string,
  p: ScorableRow,
  missing: Missing,
  worst: number | null,
  refused: NewScore | undefined,
): NewScore {
  const policy = competition.missing[missing];
  const value = policy.kind === "fixed" ? policy.value : policy.kind === "worst-of-round" ? worst : null;
  return {
    ...baseOf(hash, p),
    result: value === null ? { missing } : { value, missing },
    value,
    pair: null,
    success: false,
    failedReason: refused?.failedReason ?? p.reason ?? missing,
    ...(refused?.deadLetter ? { deadLetter: refused.deadLetter } : {}),
  };
}
