import { ApplicationFailure } from "@temporalio/common";
import { sql } from "kysely";
import type { Logger } from "pino";
import type { Scorer } from "../competitions/scorer.ts";
import { insertCycle, lastCycle, lastPeerCycle } from "../db/cycles.ts";
import type { Database, Queryable } from "../db/database.ts";
import { dropScoreSums, insertScoreSums } from "../db/score-sums.ts";
import {
  type CorrectionLimit,
  type CountedScore,
  correctionEnd,
  countScores,
  takeBackScores,
} from "../db/window-scores.ts";
import {
  commitWindow,
  earlierWindowOpen,
  insertSnapshots,
  lockWindow,
  type NewSnapshot,
  unfinishedRounds,
} from "../db/windows.ts";
import { peerChained, peerLeaves, peerRoot, peerTree } from "../domain/compat/merkle.ts";
import { cycleId } from "../domain/ids.ts";
import { cycleRecord } from "../proofs/from-rows.ts";
import { fromHex, toHex } from "../proofs/hash.ts";
import { merkleRoot } from "../proofs/merkle.ts";
import { byText, recordHex } from "../proofs/records.ts";
import { asJson } from "./as-json.ts";
import { correctSnapshots } from "./corrections.ts";
import { renewWeights, scoreEnsembles } from "./ensembles.ts";
import { type BoardContract, storeLeaderboard } from "./leaderboard.ts";
import { withLeaves } from "./score-leaf.ts";
import { sha256 } from "./sha256.ts";
import { FIRST, scoresByModel, snapshotsOf, type WindowSpan } from "./snapshots.ts";

export type { WindowSpan };
export interface WindowDeps extends BoardContract {
  db: Database;
  /** scores the ensembles */
  scorer: Scorer;
  log: Logger;
  now?: () => number;
  /** absent: MOST_CORRECTED */
  mostCorrected?: CorrectionLimit;
}

interface WindowCounts {
  snapshots: number;
  scores: number;
}

const ASK_AGAIN = "1s";
const HOUR_MS = 3_600_000;
/** An adopted rescore may change weeks: a window takes on some seconds' work of it, oldest first, and leaves the rest to the next ones. */
const MOST_CORRECTED: CorrectionLimit = { windows: 500, scores: 20_000 };
/** While metrics are computed elsewhere, the transaction waits for longer than a forgotten one may. */
const PATIENCE = sql`set local idle_in_transaction_session_timeout = '150s'`;

export function createWindowActivities(deps: WindowDeps) {
  const { db, log, now = Date.now } = deps;
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
    async buildWindow(span: WindowSpan): Promise<WindowCounts> {
      await scoreEnsembles(deps, span);
      return db.transaction().execute(async (tx) => {
        await PATIENCE.execute(tx);
        const row = await lockWindow(tx, span.endMs);
        if (!row) throw ApplicationFailure.nonRetryable(`no row for the window ending ${span.endMs}`, "UnknownWindow");
        if (row.status === "COMMITTED") return row.counts_jsonb as unknown as WindowCounts;
        const counts = await commit(tx, deps, span);
        log.info({ window_end: span.endMs, ...counts }, "scoring window committed");
        return counts;
      });
    },
  };
}
export type WindowActivities = ReturnType<typeof createWindowActivities>;

async function commit(tx: Queryable, contract: WindowDeps, span: WindowSpan): Promise<WindowCounts> {
  const { competition, mostCorrected = MOST_CORRECTED } = contract;
  const window = { start: new Date(span.startMs), end: new Date(span.endMs) };
  const until = await correctionEnd(tx, mostCorrected);
  const stale = await takeBackScores(tx, until);
  const counted = await countScores(tx, window, until);
  await withLeaves(tx, counted);
  const isOwn = (s: CountedScore): boolean => s.window_end_ms === span.endMs;
  const own = scoresByModel(counted.filter(isOwn));
  const late = counted.filter((s) => !isOwn(s));
  const snapshots = await snapshotsOf(tx, competition, span, own, () => FIRST);
  await insertScoreSums(tx, window);
  const corrections = await correctSnapshots(tx, competition, [...stale, ...late]);
  const counts = { snapshots: snapshots.length + corrections.length, scores: counted.length };
  await commitWindow(tx, span.endMs, { ...counts, corrections: corrections.length });
  await insertSnapshots(tx, span.endMs, [...snapshots, ...corrections]);
  await storeCycle(tx, span, [...snapshots, ...corrections]);
  const board = await storeLeaderboard(tx, contract, span);
  await renewWeights(tx, competition, span, counted, board);
  const longest = Math.max(...competition.windows.map((w) => w.hours));
  await dropScoreSums(tx, new Date(span.endMs - (longest + 1) * HOUR_MS));
  return counts;
}

/** Chains what the window committed to the cycle before. */
async function storeCycle(tx: Queryable, span: WindowSpan, snapshots: readonly NewSnapshot[]): Promise<void> {
  const previous = await lastCycle(tx);
  const leaves = snapshots.toSorted((a, b) => byText(a.id, b.id)).map((s) => fromHex(s.contentHash));
  const cycle = {
    id: cycleId(span.endMs),
    window_start: new Date(span.startMs),
    window_end: new Date(span.endMs),
    previous_cycle_id: previous?.id ?? null,
    previous_cycle_root: previous?.chained_root ?? null,
    snapshots_root: toHex(merkleRoot(sha256, leaves)),
    snapshot_count: leaves.length,
  };
  const chained_root = recordHex(sha256, cycleRecord(cycle));
  await insertCycle(tx, { ...cycle, chained_root, ...(await peerCycle(tx, snapshots)) });
}

/** The same as the public node chains it, for tools that were made for it. */
async function peerCycle(tx: Queryable, snapshots: readonly NewSnapshot[]) {
  const leaves = peerLeaves(sha256, snapshots.map(peerRow));
  const root = peerRoot(
    peerTree(
      sha256,
      leaves.map((leaf) => leaf.hash),
    ),
  );
  const chained =
    root === null ? null : peerChained(sha256, (await lastPeerCycle(tx))?.peer_chained_root ?? null, root);
  return { peer_snapshots_root: root, peer_chained_root: chained };
}

const peerRow = (s: NewSnapshot) => ({
  ...{ id: s.id, model_id: s.modelId, period_start: new Date(s.periodStartMs), period_end: new Date(s.periodEndMs) },
  ...{ prediction_count: s.predictionCount, result_summary: asJson(s.summary) },
});
