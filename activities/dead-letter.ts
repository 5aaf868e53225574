import type { Logger } from "pino";
import type { Scope } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { type DeadLetterRow, lettersToRetry, settleRetry } from "../db/dead-letters.ts";
import { type PredictionRow, predictionsOf } from "../db/predictions.ts";
import { type RoundRow, roundById } from "../db/rounds.ts";
import { roundFacts } from "../db/score-facts.ts";
import { type LeafOf, type NewScore, storeLateScores } from "../db/scores.ts";
import { leavesOfRound } from "./score-leaf.ts";
import { type ScoringRules, scoreAnswered } from "./scorer.ts";

export interface RetryDeps extends ScoringRules {
  db: Database;
  log: Logger;
}

/** One pass takes on so many; the next takes the rest. */
const PASS = 500;

/**
 * Asks the present scorer again about every prediction whose dead letter is to be retried, a round at a time, and stores what it says as
 * a late score, which the next scoring window counts as a correction. The rows are the outbox: a pass that dies is made up for by the
 * next, and two at once settle each letter once. Returns how many were scored.
 */
export async function retryDeadLetters(deps: RetryDeps): Promise<number> {
  const letters = await lettersToRetry(deps.db, PASS);
  let scored = 0;
  for (const [roundId, own] of Map.groupBy(letters, (letter) => letter.round_id))
    scored += await retryRound(deps, roundId, own);
  if (letters.length > 0) deps.log.info({ asked: letters.length, scored }, "dead letters were tried again");
  return scored;
}

async function retryRound(deps: RetryDeps, roundId: string, letters: readonly DeadLetterRow[]): Promise<number> {
  const { db } = deps;
  const round = await roundById(db, roundId);
  const facts = round && (await roundFacts(db, roundId));
  const rows = new Map((round ? await predictionsOf(db, round) : []).map((p) => [p.model_id, p]));
  const kept: { letter: DeadLetterRow; prediction: PredictionRow }[] = [];
  for (const letter of letters) {
    const prediction = rows.get(letter.model_id);
    if (facts && prediction?.status === "FAILED" && prediction.inference_output_jsonb !== null)
      kept.push({ letter, prediction });
    else await settleRetry(db, letter.id, { gone: whyGone(facts, prediction) });
  }
  if (!round || !facts || kept.length === 0) return 0;
  const scores = await scoreAnswered(
    deps,
    kept.map(({ prediction }) => ({ prediction, truth: facts.truth, scope: prediction.scope_jsonb as Scope })),
  );
  const leaf = leavesOfRound(
    facts,
    kept.map(({ prediction }) => prediction),
  );
  const stored = await Promise.all(kept.map(({ letter }, i) => settle(db, { round, letter, leaf }, scores[i]!)));
  return stored.filter(Boolean).length;
}

const whyGone = (truth: unknown, prediction: PredictionRow | undefined): string =>
  prediction
    ? truth
      ? `the prediction is ${prediction.status}`
      : "its truth is not stored any more"
    : "it is not stored any more";

const settle = (
  db: Database,
  { round, letter, leaf }: { round: RoundRow; letter: DeadLetterRow; leaf: LeafOf },
  score: NewScore,
): Promise<boolean> =>
  db.transaction().execute(async (tx) => {
    if (score.deadLetter) {
      const { error, attempts } = score.deadLetter;
      await settleRetry(tx, letter.id, { refused: error, attempts });
      return false;
    }
    if (!(await settleRetry(tx, letter.id, { scored: true }))) return false;
    await storeLateScores(tx, round, [score], leaf);
    return true;
  });
