import { setImmediate as breathe } from "node:timers/promises";
import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import type { CountedScore } from "../db/window-scores.ts";
import type { NewSnapshot } from "../db/windows.ts";
import { peerSummary } from "../domain/compat/leaderboard.ts";
import { snapshotId } from "../domain/ids.ts";
import { meanOfFields } from "../domain/summary.ts";
import { canonicalText } from "../proofs/canonical.ts";
import { snapshotRecord } from "../proofs/from-rows.ts";
import { toHex } from "../proofs/hash.ts";
import { merkleRoot } from "../proofs/merkle.ts";
import { inScoreOrder, joinHashes, recordHex } from "../proofs/records.ts";
import { analyse } from "./analysis.ts";
import { asJson } from "./as-json.ts";
import { ensembleWeights } from "./board-metrics.ts";
import { matrixOf } from "./score-matrix.ts";
import { sha256 } from "./sha256.ts";

/** A half-open stretch of time, epoch ms. */
export interface WindowSpan {
  startMs: number;
  endMs: number;
}

/** The scores that a window holds, by model in ascending order, each model's in order of time. */
export function scoresByModel(scores: readonly CountedScore[]): Map<string, CountedScore[]> {
  const byModel = Map.groupBy(scores, (s) => s.model_id);
  return new Map([...byModel.keys()].sort().map((id) => [id, byModel.get(id)!.sort(inScoreOrder)]));
}

interface Revision {
  revision: number;
  supersedes: string | null;
}
export const FIRST: Revision = { revision: 0, supersedes: null };

/**
 * What each model did in a window; every score has its leaf hash. Metrics join its scores with everybody's there (`all`, by default the same ones), so that correlations
 * with others mean something.
 */
export async function snapshotsOf(
  tx: Queryable,
  competition: Competition,
  span: WindowSpan,
  own: ReadonlyMap<string, readonly CountedScore[]>,
  revisionOf: (modelId: string) => Revision,
  all: ReadonlyMap<string, readonly CountedScore[]> = own,
): Promise<NewSnapshot[]> {
  const matrix = matrixOf([...all.values()].flat());
  const ensembles = await ensembleWeights(tx, competition, matrix);
  const asPeer = competition.compat !== undefined;
  const { metrics } = await analyse({ matrix, metrics: competition.metrics, ensembles, asPeer });
  const snapshots: NewSnapshot[] = [];
  for (const [modelId, scores] of own) {
    snapshots.push(
      await snapshotOf(competition, span, modelId, scores, metrics.get(modelId) ?? {}, revisionOf(modelId)),
    );
    await breathe(); // thousands of results are parsed for each model
  }
  return snapshots;
}

async function snapshotOf(
  competition: Competition,
  span: WindowSpan,
  modelId: string,
  scores: readonly CountedScore[],
  metrics: Readonly<Record<string, number>>,
  { revision, supersedes }: Revision,
): Promise<NewSnapshot> {
  const counting = scores.filter((s) => s.value !== null);
  const asPeer = competition.compat !== undefined; // the public node averages failed scores, too
  const results = (asPeer ? scores : counting).map((s) => JSON.parse(s.result) as Record<string, unknown>);
  const { fields, problem } = await aggregated(competition, results);
  const summary = finiteOnly({
    ...fields,
    ...metrics,
    missed: scores.filter((s) => !s.success).length,
  });
  const leaves = scores.map((s) => s.leaf_hash!);
  const row = {
    id: snapshotId(modelId, span.endMs, revision),
    model_id: modelId,
    period_start: new Date(span.startMs),
    period_end: new Date(span.endMs),
    revision,
    supersedes,
    prediction_count: counting.length,
    result_summary_jsonb: asJson(summary),
    scores_root: toHex(merkleRoot(sha256, leaves)),
    scores: leaves.length,
  };
  return {
    id: row.id,
    modelId,
    periodStartMs: span.startMs,
    periodEndMs: span.endMs,
    revision,
    supersedes,
    predictionCount: row.prediction_count,
    summary,
    meta: problem === undefined ? {} : { aggregator_failed: problem },
    contentHash: recordHex(sha256, snapshotRecord(row)),
    scoresRoot: row.scores_root,
    leafHashes: joinHashes(leaves),
  };
}

/** An aggregator of one's own that fails must not stop the window: the means stand in its place, and the snapshot says so. */
async function aggregated(
  { aggregateSnapshot, compat }: Competition,
  results: readonly Record<string, unknown>[],
): Promise<{ fields: Record<string, unknown>; problem?: string }> {
  const standard = compat === undefined ? meanOfFields : peerSummary;
  if (!aggregateSnapshot) return { fields: standard(results) };
  try {
    const fields = await aggregateSnapshot(results);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw new TypeError("gave no object");
    if (canonicalText(asJson(fields)).includes("\\u0000")) throw new TypeError("gave a text with NUL");
    return { fields };
  } catch (error) {
    return { fields: standard(results), problem: String(error).slice(0, MOST_TEXT) };
  }
}
const MOST_TEXT = 500;

/** An aggregator of one's own may answer what no JSON can hold. */
const finiteOnly = (summary: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(summary).filter(([, v]) => typeof v !== "number" || Number.isFinite(v)));
