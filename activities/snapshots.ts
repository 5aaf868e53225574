import { createHash } from "node:crypto";
import { setImmediate as breathe } from "node:timers/promises";
import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import type { CountedScore } from "../db/window-scores.ts";
import type { NewSnapshot } from "../db/windows.ts";
import { peerSummary } from "../domain/compat/leaderboard.ts";
import { snapshotId } from "../domain/ids.ts";
import { meanOfFields } from "../domain/summary.ts";
import { canonicalBytes } from "../proofs/canonical.ts";
import { type Hash, toHex } from "../proofs/hash.ts";
import { analyse } from "./analysis.ts";
import { ensembleWeights } from "./board-metrics.ts";
import { matrixOf } from "./score-matrix.ts";

/** A half-open stretch of time, epoch ms. */
export interface WindowSpan {
  startMs: number;
  endMs: number;
}

export const sha256: Hash = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());

/** In order of time, so that equal histories have equal sums to the last bit; rounds of one instant by their id. */
export const inTime = (a: CountedScore, b: CountedScore): number =>
  a.due_ms - b.due_ms || compare(a.round_id, b.round_id);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The scores that a window holds, by model in ascending order, each model's in order of time. */
export function scoresByModel(scores: readonly CountedScore[]): Map<string, CountedScore[]> {
  const byModel = Map.groupBy(scores, (s) => s.model_id);
  return new Map([...byModel.keys()].sort().map((id) => [id, byModel.get(id)!.sort(inTime)]));
}

interface Revision {
  revision: number;
  supersedes: string | null;
}
export const FIRST: Revision = { revision: 0, supersedes: null };

/**
 * What each model did in a window. Metrics join its scores with everybody's there (`all`, by default the same ones), so that correlations
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
  const content = {
    model_id: modelId,
    period_start: iso(span.startMs),
    period_end: iso(span.endMs),
    prediction_count: counting.length,
    result_summary: summary,
  };
  return {
    id: snapshotId(modelId, span.endMs, revision),
    modelId,
    periodStartMs: span.startMs,
    periodEndMs: span.endMs,
    revision,
    supersedes,
    predictionCount: counting.length,
    summary,
    meta: problem === undefined ? {} : { aggregator_failed: problem },
    contentHash: toHex(sha256(canonicalBytes(content))),
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
    return { fields };
  } catch (error) {
    return { fields: standard(results), problem: String(error).slice(0, MOST_TEXT) };
  }
}
const MOST_TEXT = 500;

const iso = (ms: number): string => new Date(ms).toISOString();

/** An aggregator of one's own may answer what no JSON can hold. */
const finiteOnly = (summary: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(summary).filter(([, v]) => typeof v !== "number" || Number.isFinite(v)));
