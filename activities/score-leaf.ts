import type { Queryable } from "../db/database.ts";
import { currentScoreFacts, type ScoredFacts, storeLeafHashes } from "../db/score-facts.ts";
import type { LeafOf, NewScore } from "../db/scores.ts";
import type { CountedScore } from "../db/window-scores.ts";
import { CanonicalError } from "../proofs/canonical.ts";
import { type PredictionFacts, type RoundFacts, roundRecord, scoreRecord } from "../proofs/from-rows.ts";
import { toHex } from "../proofs/hash.ts";
import { recordHash, recordHex } from "../proofs/records.ts";
import { asJson } from "./as-json.ts";
import { sha256 } from "./sha256.ts";

/** A round's predictions, as far as their records need them. */
type Said = PredictionFacts & { model_id: string };

/** Leaf hashes of the scores that a round's predictions earn, as they will be read back from the database. */
export function leavesOfRound(round: RoundFacts, predictions: readonly Said[]): LeafOf {
  const roundHash = recordHex(sha256, roundRecord(round));
  const said = new Map(predictions.map((p) => [p.model_id, p]));
  return (score) => leafOf(roundHash, said.get(score.modelId)!, score);
}

/** Null where the scorer's result holds what has no canonical text (half a surrogate pair): the database refuses such a row, too. */
function leafOf(roundHash: string, prediction: PredictionFacts, score: NewScore): Uint8Array | null {
  const facts = {
    model_id: score.modelId,
    deployment_id: score.deploymentId,
    scorer_hash: score.scorerHash,
    value: score.value,
    success: score.success,
    failed_reason: score.failedReason,
    result_jsonb: asJson(score.result),
  };
  try {
    return recordHash(sha256, scoreRecord(roundHash, prediction, facts));
  } catch (error) {
    if (error instanceof CanonicalError) return null;
    throw error;
  }
}

/** Statements that fill in what an older version left out stay small. */
const PAGE = 5_000;

/**
 * Scores from before there were leaf hashes get them from what is stored of them, when a window counts them. From then on they are fixed; what
 * was changed before nobody can tell.
 */
export async function withLeaves(tx: Queryable, scores: readonly CountedScore[]): Promise<void> {
  const without = scores.filter((s) => s.leaf_hash === null);
  for (let from = 0; from < without.length; from += PAGE) await fillPage(tx, without.slice(from, from + PAGE));
}

async function fillPage(tx: Queryable, scores: readonly CountedScore[]): Promise<void> {
  const keys = scores.map(({ round_id, model_id, due_ms }) => ({ round_id, model_id, due_ms }));
  const facts = await currentScoreFacts(tx, keys);
  const hashes = new Map(facts.map((f) => [JSON.stringify([f.round.id, f.model_id]), leafOfFacts(f)]));
  for (const score of scores) score.leaf_hash = hashes.get(JSON.stringify([score.round_id, score.model_id]))!;
  await storeLeafHashes(
    tx,
    scores.map((s, i) => ({ ...keys[i]!, leaf: toHex(s.leaf_hash!) })),
  );
}

const leafOfFacts = (facts: ScoredFacts): Uint8Array =>
  recordHash(sha256, scoreRecord(recordHex(sha256, roundRecord(facts.round)), facts, facts));
