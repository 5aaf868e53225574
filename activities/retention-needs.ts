import { lastPeriodEnd } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { firstWindowStart } from "../db/period-snapshots.ts";
import {
  backfillSpans,
  firstDueResolvingFrom,
  oldestUnbundled,
  unfinishedWork,
  windowBegin,
  windowFrontier,
} from "../db/retention.ts";
import type { Stream } from "../domain/day-file.ts";
import { type Cut, cutOf, earliest, evidenceNeed, type Need, type Span } from "../domain/retention.ts";

const DAY_MS = 86_400_000;
/** Around everything that is needed: windows, settlements and corrections reach a little further back than they say. */
const MARGIN_MS = DAY_MS;
/** Due times without a row are looked for this far back: a deleted round must not be found missing. */
const LOOK_BACK_MS = 7 * DAY_MS;

export interface RetentionSettings {
  /** times to live, ms; 0: for ever */
  feedMs: number;
  predictionMs: number;
  snapshotMs: number;
  /** the contract's longest leaderboard window, ms */
  longestWindowMs: number;
  /** streams that the node follows, and how many of their newest records models may see */
  streams: readonly Stream[];
  windowRecords: number;
}

export interface Cuts {
  rounds: Cut;
  snapshots: Cut;
  feeds: Cut;
  /** of feed records */
  backfills: Span[];
}

const need = (what: string, from: Date | number | null): Need | null =>
  from === null ? null : { what, fromMs: typeof from === "number" ? from : from.getTime() };

/** Up to where each kind of row may go, and what keeps the rest. Reads only. */
export async function cutsOf(db: Database, settings: RetentionSettings, nowMs: number): Promise<Cuts> {
  const [standings, periods] = [await standingNeeds(db, settings, nowMs), await periodNeeds(db)];
  const work = await workNeeds(db);
  const lookBack = need("due times are looked for in the last days", nowMs - LOOK_BACK_MS - MARGIN_MS);
  const rounds = [...work, lookBack, await asDue(db, earliest([...standings, ...periods]))];
  const feeds = [...work, await asDue(db, earliest(periods)), await feedWindowNeed(db, settings)];
  return {
    rounds: cutOf(nowMs, settings.predictionMs, rounds),
    snapshots: cutOf(nowMs, settings.snapshotMs, [...standings, ...periods]),
    feeds: cutOf(nowMs, settings.feedMs, feeds.map(withMargin)),
    backfills: await backfillSpans(db),
  };
}

/** Settlement looks at the last record before a round was due. */
const withMargin = (of: Need | null): Need | null => of && { ...of, fromMs: of.fromMs - MARGIN_MS };

/** As resolve times: leaderboard windows, and scoring windows that are not committed. A node that stood still keeps the board it had. */
async function standingNeeds(db: Database, settings: RetentionSettings, nowMs: number): Promise<(Need | null)[]> {
  const { openFrom, committedTo } = await windowFrontier(db);
  const lastMs = Math.min(nowMs, committedTo?.getTime() ?? nowMs);
  return [
    need("a leaderboard window reaches back to it", lastMs - settings.longestWindowMs - MARGIN_MS),
    need("its scoring window is not committed", openFrom),
  ];
}

/** As resolve times: what a checkpoint will be sealed from, and what its evidence is made of. */
async function periodNeeds(db: Database): Promise<(Need | null)[]> {
  const unsealed = (await lastPeriodEnd(db)) ?? (await firstWindowStart(db));
  return [need("its period is not sealed", unsealed), evidenceNeed(await oldestUnbundled(db))];
}

/** As due times: work that is not done. */
async function workNeeds(db: Database): Promise<(Need | null)[]> {
  const work = await unfinishedWork(db);
  return [
    need("a round is not resolved", work.openRounds),
    need("a score is in no window yet", work.uncountedScores),
    need("a score is still to be taken out of its window", work.withdrawnScores),
    need("a dead letter is open", work.deadLetters),
    need("a tournament round is not final", work.tournaments),
    need("it is being scored again", work.rescores),
  ].map(withMargin); // a correction counts the whole of a window again
}

/** A need by resolve times, as the due times of the rounds that it is about; none of them yet: as it stands. */
async function asDue(db: Database, resolve: Need | null): Promise<Need | null> {
  if (resolve === null) return null;
  const dueMs = await firstDueResolvingFrom(db, resolve.fromMs);
  return { ...resolve, fromMs: Math.min(resolve.fromMs, dueMs ?? resolve.fromMs) };
}

/** A feed that stopped long ago still shows models its last records when the node starts. */
async function feedWindowNeed(db: Database, { streams, windowRecords }: RetentionSettings): Promise<Need | null> {
  const begins: (Need | null)[] = [];
  for (const stream of streams)
    begins.push(need(`models see it (${stream.subject})`, await windowBegin(db, stream, 2 * windowRecords)));
  return earliest(begins);
}
