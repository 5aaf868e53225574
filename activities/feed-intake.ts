import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { holesIn, type Span } from "../db/feed-gaps.ts";
import { type Dimension, storeFeedRecords, watermark } from "../db/feeds.ts";
import type { FeedStream } from "../domain/feed-streams.ts";
import { granularityMs } from "../domain/granularity.ts";
import type { Feed, FeedRecord, Subscription } from "../feeds/feed.ts";
import { createGapFiller, within } from "./feed-gaps.ts";
import { countArrivals, createRefusals } from "./feed-judge.ts";
import type { QualityLog } from "./feed-quality.ts";

export interface IntakeDeps {
  db: Database;
  feed: Feed;
  stream: FeedStream;
  quality: QualityLog;
  /** how far back history is fetched where none was ever stored, ms */
  backfillMs: number;
  /** records older than this are not taken, ms */
  keepMs: number;
  log: Logger;
  /** called after the commit with the records that were new */
  onStored: (records: FeedRecord[]) => void;
  now?: () => number;
}

/** The way of one stream's records into the database. */
export interface Intake {
  /** notes what was missed since the watermark, and tries once to fetch it */
  begin(): Promise<void>;
  /** records as the feed delivers them, in any order; settles when they are stored. May be repeated */
  take(records: readonly FeedRecord[]): Promise<void>;
  /** holes, silence and counts; call every second or so */
  routine(): Promise<void>;
}

/** A live record waits this long for what is missing before it; that is filled in later then. */
const PATIENCE_MS = 2_000;
/** After so many records did not come, but at least this time, history is asked instead of the stream. */
const SILENT_RECORDS = 3;
const SILENT_MS = 15_000;
const LONGEST_SILENCE_MS = 60_000;
/** Of a stream that wakes up, at once. */
const SILENT_PAGE = 1_000;

export const subscriptionOf = ({ subjects, kind, granularity }: FeedStream): Subscription => ({
  subjects,
  kind,
  granularity,
});

const spanOf = ({ sinceMs, ms }: QualityLog["gaps"][number]): Span => ({ fromMs: sinceMs, untilMs: sinceMs + ms + 1 });

export function createIntake(deps: IntakeDeps): Intake {
  const { db, feed, stream, quality, log } = deps;
  const now = deps.now ?? Date.now;
  const stepMs = stream.kind === "candle" ? granularityMs(stream.granularity) : 0;
  const { source, kind, granularity } = stream;
  const dimension = (subject: string): Dimension => ({ source, subject, kind, granularity });
  const refusals = createRefusals({ stream, stepMs, keepMs: deps.keepMs, quality, now });
  /** begin of the furthest record that was taken, by subject */
  const reached = new Map<string, number>();
  const silence = new Map<string, { askAtMs: number; waitMs: number }>();

  /** Stores what can be believed, in order of time; returns what was new. */
  async function store(records: readonly FeedRecord[]): Promise<FeedRecord[]> {
    const { good, tell } = refusals.sift(records);
    const fresh = await storeFeedRecords(db, good);
    tell();
    for (const r of good) reached.set(r.subject, Math.max(reached.get(r.subject) ?? 0, r.tsEvent));
    if (fresh.length > 0) deps.onStored(fresh);
    return fresh;
  }

  const filler = createGapFiller({
    ...{ db, feed, subscription: subscriptionOf(stream), dimension, stepMs, log, now },
    store: async (records) => void (await store(records)),
  });

  /** A record further than the next place on the grid shows a hole: it is noted before the record is stored. */
  async function noteHoles(records: readonly FeedRecord[]): Promise<void> {
    let noted = false;
    const note = async (subject: string, span: Span, reason: string): Promise<void> => {
      await filler.note(subject, span, reason);
      noted = true;
    };
    for (let gap = quality.gaps[0]; gap; quality.gaps.shift(), gap = quality.gaps[0])
      if (stepMs === 0) await note(gap.subject, spanOf(gap), "the feed lost touch"); // a grid shows its holes itself
    for (const [subject, own] of Map.groupBy(stepMs > 0 ? records : [], (r) => r.subject)) {
      let last = reached.get(subject);
      for (const { tsEvent } of own) {
        if (last !== undefined && tsEvent - last > 1.5 * stepMs)
          await note(subject, { fromMs: last + stepMs, untilMs: tsEvent }, "a live record came after it");
        last = Math.max(last ?? 0, tsEvent);
      }
    }
    if (noted) await within(PATIENCE_MS, filler.work());
  }

  async function take(records: readonly FeedRecord[]): Promise<void> {
    const { good } = refusals.sift(records);
    await noteHoles(good);
    const before = new Map(reached);
    const fresh = await store(records);
    await countArrivals(
      { db, dimension, stepMs, quality, now },
      { arrived: refusals.inTurn(records), fresh, before },
    ).catch(
      (error: unknown) => log.warn({ source, error: String(error) }, "arrivals could not be counted"), // they are stored
    );
    for (const { subject } of good) silence.delete(subject);
  }

  async function beginSubject(subject: string): Promise<void> {
    const last = await watermark(db, dimension(subject));
    const untilMs = now() - stepMs + 1; // what begins before that is final
    const history = { fromMs: Math.max(untilMs - deps.backfillMs, 0), untilMs };
    if (last === null) {
      if (deps.backfillMs > 0) await filler.note(subject, history, "the first start");
    } else {
      reached.set(subject, last);
      for (const hole of await storedHoles(subject, { ...history, untilMs: last }))
        await filler.note(subject, hole, "found among the stored records");
      const fromMs = last + stepMs;
      if (fromMs < untilMs) await filler.note(subject, { fromMs, untilMs }, "the node was away");
    }
  }

  /** Holes with records on both sides: what lies before the first is not of this node's time. */
  async function storedHoles(subject: string, span: Span): Promise<Span[]> {
    if (stepMs === 0 || span.fromMs >= span.untilMs) return [];
    const holes = await holesIn(db, dimension(subject), span, stepMs);
    return holes.filter((hole) => hole.fromMs > span.fromMs);
  }

  /** A stream that brings nothing is asked for its history: more and more seldom, for markets close. */
  async function askIfSilent(subject: string): Promise<void> {
    const last = reached.get(subject);
    if (last === undefined || stepMs === 0) return;
    const patience = Math.max(SILENT_RECORDS * stepMs, SILENT_MS);
    const { askAtMs, waitMs } = silence.get(subject) ?? { askAtMs: last + stepMs + patience, waitMs: patience };
    if (now() < askAtMs) return;
    const longerMs = Math.max(Math.min(2 * waitMs, LONGEST_SILENCE_MS), patience);
    silence.set(subject, { askAtMs: now() + waitMs, waitMs: longerMs });
    const span = { startMs: last + stepMs, endMs: now() - stepMs + 1, limit: SILENT_PAGE };
    const missed = await feed.fetch({ ...subscriptionOf(stream), subjects: [subject], ...span });
    if (missed.length > 0) await take(missed);
  }

  return {
    begin: async () => {
      await filler.load();
      for (const subject of stream.subjects) await beginSubject(subject);
      await filler.work(); // one try: a source without an answer must not keep the live records away
    },
    take,
    routine: async () => {
      await filler.work();
      await quality.flush();
      for (const subject of stream.subjects) await askIfSilent(subject);
    },
  };
}
