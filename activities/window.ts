import { createHash } from "node:crypto";
import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import type { Competition } from "../competitions/competition.ts";
import type { Database, Queryable } from "../db/database.ts";
import { type CountedScore, countScores } from "../db/scores.ts";
import {
  commitWindow,
  earlierWindowOpen,
  insertCycle,
  insertSnapshots,
  lastCycle,
  type NewSnapshot,
  unfinishedRounds,
  windowByEnd,
} from "../db/windows.ts";
import { cycleId, snapshotId } from "../domain/ids.ts";
import { computeMetrics, seriesOf } from "../domain/metrics.ts";
import { mean } from "../domain/statistics.ts";
import { canonicalBytes } from "../proofs/canonical.ts";
import { fromHex, type Hash, toHex } from "../proofs/hash.ts";
import { merkleRoot } from "../proofs/merkle.ts";
import { storeLeaderboard } from "./leaderboard.ts";

export interface WindowSpan {
  startMs: number;
  endMs: number;
}
export interface WindowDeps {
  db: Database;
  competition: Competition;
  log: Logger;
  now?: () => number;
}

const ASK_AGAIN = "1s";
const sha256: Hash = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());

export function createWindowActivities({ db, competition, log, now = Date.now }: WindowDeps) {
  return {
    /** Retries by itself until every round that resolves inside is done or past its give-up time, and every earlier window is committed. */
    async awaitRounds({ startMs, endMs }: WindowSpan): Promise<void> {
      const open = (await unfinishedRounds(db, startMs, endMs)).filter((r) => r.give_up_at.getTime() > now());
      if (open.length > 0)
        throw ApplicationFailure.create({
          type: "RoundsOpen",
          message: `${open.length} rounds are open, ${open[0]!.id} first`,
          nextRetryDelay: ASK_AGAIN,
        });
      if (await earlierWindowOpen(db, endMs))
        throw ApplicationFailure.create({
          type: "EarlierWindowOpen",
          message: "an earlier window is not committed",
          nextRetryDelay: ASK_AGAIN,
        });
    },

    /** Snapshots, leaderboard and Merkle cycle of a window, in one transaction; a second run finds it committed. */
    async buildWindow(span: WindowSpan): Promise<{ snapshots: number; scores: number }> {
      return db.transaction().execute(async (tx) => {
        const row = await windowByEnd(tx, span.endMs);
        if (!row) throw ApplicationFailure.nonRetryable(`no row for the window ending ${span.endMs}`, "UnknownWindow");
        const scores = row.status === "OPEN" ? await countScores(tx, span.endMs) : [];
        const snapshots = snapshotsOf(competition, span, scores);
        const counts = { snapshots: snapshots.length, scores: scores.length };
        if (!(await commitWindow(tx, span.endMs, counts))) return row.counts_jsonb as typeof counts;
        await insertSnapshots(tx, span.endMs, snapshots);
        await storeCycle(tx, span.endMs, snapshots);
        await storeLeaderboard(tx, competition, span);
        log.info({ window_end: span.endMs, ...counts }, "scoring window committed");
        return counts;
      });
    },
  };
}
export type WindowActivities = ReturnType<typeof createWindowActivities>;

function snapshotsOf(competition: Competition, span: WindowSpan, scores: readonly CountedScore[]): NewSnapshot[] {
  const byModel = Map.groupBy(scores, (s) => s.model_id);
  return [...byModel.keys()].sort().map((modelId) => {
    const own = byModel
      .get(modelId)!
      .toSorted((a, b) => a.due_at.getTime() - b.due_at.getTime() || (a.round_id < b.round_id ? -1 : 1));
    const summary = {
      ...aggregate(own),
      ...computeMetrics(competition.metrics, seriesOf(own)),
      missed: own.filter((s) => !s.success).length,
    };
    const content = {
      model_id: modelId,
      period_start: iso(span.startMs),
      period_end: iso(span.endMs),
      prediction_count: own.length,
      result_summary: summary,
    };
    return {
      id: snapshotId(modelId, span.endMs, 0),
      modelId,
      periodStartMs: span.startMs,
      periodEndMs: span.endMs,
      predictionCount: own.length,
      summary,
      meta: {},
      contentHash: toHex(sha256(canonicalBytes(content))),
    };
  });
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Mean of every numeric field over the results that have it. */
function aggregate(scores: readonly CountedScore[]): Record<string, number> {
  const fields = new Set(scores.flatMap((s) => Object.keys(s.result_jsonb)));
  const numbers = [...fields].map(
    (name) => [name, scores.map((s) => s.result_jsonb[name]).filter((v) => typeof v === "number")] as const,
  );
  return Object.fromEntries(
    numbers.filter(([, values]) => values.length > 0).map(([name, values]) => [name, mean(values)]),
  );
}

/** Chains the window's snapshots to the cycle before: root of an RFC 9162 tree over their content hashes. */
async function storeCycle(tx: Queryable, endMs: number, snapshots: readonly NewSnapshot[]): Promise<void> {
  const previous = await lastCycle(tx);
  const root = merkleRoot(
    sha256,
    snapshots.map((s) => fromHex(s.contentHash)),
  );
  const chained = previous ? merkleRoot(sha256, [fromHex(previous.chained_root), root]) : root;
  await insertCycle(tx, {
    id: cycleId(endMs),
    endMs,
    previous,
    root: toHex(root),
    chainedRoot: toHex(chained),
    count: snapshots.length,
  });
}
