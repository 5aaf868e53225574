import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import type { Scope } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { scorablePredictionsOf } from "../db/predictions.ts";
import { moveRescore, type RescoreRow, rescoreById } from "../db/rescore.ts";
import { countRounds, nextRounds, type PageRound, storePage } from "../db/rescore-pages.ts";
import { adoptSeries, readSeries } from "../db/rescore-series.ts";
import { type RankDiff, type RescoreCounts, type RescoreStatus, rankDiff, rescoreProgress } from "../domain/rescore.ts";
import { scoreRoundsAgain } from "./rescoring.ts";
import { leavesOfRound } from "./score-leaf.ts";
import type { ScoringRules } from "./scorer.ts";

export interface RescoreDeps extends ScoringRules {
  db: Database;
  log: Logger;
  /** rounds whose rows are held at once */
  pageRounds?: number;
}

/** Where a job stands: what the workflow's query and the API answer. */
export interface RescoreProgress {
  id: string;
  status: RescoreStatus;
  progressPct: number;
  counts: RescoreCounts;
  /** somebody has asked for its adoption */
  adopting: boolean;
  error: string | null;
}

const PAGE_ROUNDS = 50;
/** One activity lasts about this long, so that a shutdown is never far away. */
const SLICE_MS = 15_000;
/** A scorer that cannot be asked at all may be back soon; after so many attempts the job fails. */
const MOST_ATTEMPTS = 8;

export function createRescoreActivities(deps: RescoreDeps) {
  const { db, log } = deps;
  return {
    /** Takes a job up, or tells where it stands. */
    async beginRescore({ id }: { id: string }): Promise<RescoreProgress> {
      const row = await found(db, id);
      if (row.status === "pending")
        await moveRescore(db, id, "pending", "running", { allRounds: await countRounds(db, row) });
      return progressOf(await found(db, id));
    },

    /** Some pages; behind the last one the job is ready, with the diff of both series. */
    async scoreRescore({ id }: { id: string }): Promise<RescoreProgress> {
      const { info, cancellationSignal: signal } = Context.current();
      const untilMs = Date.now() + SLICE_MS;
      for (let row = await found(db, id); row.status === "running" && Date.now() < untilMs; row = await found(db, id)) {
        signal.throwIfAborted();
        refuseOtherScorer(deps, row);
        const rounds = await nextRounds(db, row, deps.pageRounds ?? PAGE_ROUNDS);
        if (rounds.length === 0) await finish(deps, row);
        else
          await scorePage(deps, row, rounds, signal).catch((error: unknown) => {
            throw judged(error, info.attempt);
          });
      }
      return progressOf(await found(db, id));
    },

    /** Makes the new scores those that count, where somebody asked for it; a second run finds it done. */
    async adoptRescore({ id }: { id: string }): Promise<RescoreProgress> {
      const adoption = await adoptSeries(db, id);
      if (adoption) log.info({ id, ...adoption }, "rescore adoption");
      return progressOf(await found(db, id));
    },

    /** What is wrong with it, for people. */
    async failRescore({ id, error }: { id: string; error: string }): Promise<RescoreProgress> {
      const { status } = await found(db, id);
      const why = error.replaceAll("\0", "").slice(0, 500);
      if (status === "pending" || status === "running") await moveRescore(db, id, status, "failed", { error: why });
      log.warn({ id, error: why }, "rescore failed");
      return progressOf(await found(db, id));
    },
  };
}
export type RescoreActivities = ReturnType<typeof createRescoreActivities>;

async function found(db: Database, id: string): Promise<RescoreRow> {
  const row = await rescoreById(db, id);
  if (!row) throw ApplicationFailure.nonRetryable(`no rescore job ${id}`, "UnknownJob");
  return row;
}

const progressOf = (row: RescoreRow): RescoreProgress => ({
  id: row.id,
  status: row.status,
  progressPct: rescoreProgress(row.status, row.counts_jsonb),
  counts: row.counts_jsonb,
  adopting: row.adopt_actor !== null,
  error: row.error,
});

function refuseOtherScorer({ scorer }: RescoreDeps, row: RescoreRow): void {
  if (row.scorer_hash === scorer.hash) return;
  const what = `the job is for the scorer ${row.scorer_hash}, and this node's is ${scorer.hash} by now: start a new job`;
  throw ApplicationFailure.nonRetryable(what, "OtherScorer");
}

async function scorePage(
  deps: RescoreDeps,
  row: RescoreRow,
  rounds: readonly PageRound[],
  signal: AbortSignal,
): Promise<void> {
  const predictions = await scorablePredictionsOf(deps.db, rounds);
  const scored = rounds.map((round) => ({
    predictions: predictions.get(round.id) ?? [],
    truth: round.truth,
    scope: round.scope_jsonb as Scope,
  }));
  const scores = (await scoreRoundsAgain(deps, scored, signal)).flatMap((own, i) => {
    const leaf = leavesOfRound(rounds[i]!, scored[i]!.predictions);
    return own.map((score) => ({ round: rounds[i]!, score, leaf }));
  });
  const refused = scores.filter(({ score }) => score.deadLetter).length;
  await storePage(deps.db, row, { rounds, scores, refused });
}

/** What a row holds that the database refuses would be refused again, and a scorer that never answers ends the job. */
function judged(error: unknown, attempt: number): unknown {
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  const isOfTheData = /^(22|23)/.test(code);
  const isOfTheDatabase = /^[0-9A-Z]{5}$/.test(code) || /^E[A-Z]+$/.test(code);
  if (isOfTheData || (!isOfTheDatabase && attempt >= MOST_ATTEMPTS))
    return ApplicationFailure.nonRetryable(String(error), "RescoreFailed");
  return error;
}

async function finish({ db, competition, log }: RescoreDeps, row: RescoreRow): Promise<void> {
  const { sums, replaceable } = await readSeries(db, row);
  const { direction } = competition.ranking;
  const { participationFloor } = competition;
  const rows = rankDiff(sums, {
    ...{ direction, participationFloor },
    ...{ fromMs: row.from_at.getTime(), toMs: row.to_at.getTime() },
  });
  const diff: RankDiff = {
    ...{ ranked_by: "mean score", direction, rows },
    scores: rows.reduce((n, r) => n + r.scores, 0),
    changed: rows.reduce((n, r) => n + r.changed, 0),
    ...replaceable,
  };
  if (await moveRescore(db, row.id, "running", "ready", { diff }))
    log.info({ id: row.id, ...row.counts_jsonb }, "rescored");
}
