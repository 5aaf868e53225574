import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { advanceGap, closeGap, type FeedGap, holesIn, noteGap, openGaps, type Span } from "../db/feed-gaps.ts";
import type { Dimension } from "../db/feeds.ts";
import type { Feed, FeedRecord, Subscription } from "../feeds/feed.ts";

export interface GapFillerDeps {
  db: Database;
  feed: Feed;
  subscription: Subscription;
  dimension: (subject: string) => Dimension;
  /** what one record covers, ms; 0: records follow no grid, and nobody can say what is missing */
  stepMs: number;
  log: Logger;
  /** believes or refuses what history says, and stores it */
  store: (records: FeedRecord[]) => Promise<void>;
  now: () => number;
}

/** Fills the holes of one stream from the source's history, each by itself, until nothing more can be had. */
export interface GapFiller {
  /** takes up what an earlier process left open */
  load(): Promise<void>;
  /** notes a hole; settles when it is in the database, so that what comes after it may be stored */
  note(subject: string, span: Span, reason: string): Promise<void>;
  /** tries what is due; settles when those tries are over, good or bad */
  work(): Promise<void>;
}

interface OpenGap {
  subject: string;
  gap: FeedGap;
  failures: number;
  nextMs: number;
  trying?: Promise<void>;
}

const PAGE = 1_000;
/** History may lag behind the stream: a hole is final when it ended this long ago, ms. */
const SETTLE_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export function createGapFiller(deps: GapFillerDeps): GapFiller {
  const gaps = new Map<string, OpenGap>();
  const take = (subject: string, gap: FeedGap): void => {
    const key = `${subject}/${gap.fromMs}`;
    const known = gaps.get(key);
    if (known) known.gap = { ...gap, cursorMs: Math.max(gap.cursorMs, known.gap.cursorMs) };
    else if (gap.status === "OPEN") gaps.set(key, { subject, gap, failures: 0, nextMs: 0 });
  };
  const attempt = async (key: string, open: OpenGap): Promise<void> => {
    const { subject, gap } = open;
    try {
      if (await fill(deps, open)) {
        if (open.gap.untilMs === gap.untilMs) gaps.delete(key); // it may have grown meanwhile
        return;
      }
    } catch (error) {
      deps.log.warn(
        { source: deps.feed.source, subject, from: new Date(gap.fromMs).toISOString(), error: String(error) },
        "a hole in the feed cannot be filled yet; trying again",
      );
    }
    open.nextMs = deps.now() + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** open.failures++);
  };
  return {
    load: async () => {
      for (const subject of deps.subscription.subjects)
        for (const gap of await openGaps(deps.db, deps.dimension(subject))) take(subject, gap);
    },
    note: async (subject, { fromMs, untilMs }, reason) => {
      const around = [...gaps.values()].find(
        ({ subject: s, gap }) => s === subject && gap.fromMs <= fromMs && fromMs <= gap.untilMs,
      );
      const span = { fromMs: around?.gap.fromMs ?? fromMs, untilMs }; // a hole behind an open one is the same, grown
      take(subject, await noteGap(deps.db, deps.dimension(subject), span, reason));
    },
    work: async () => {
      for (const [key, open] of [...gaps].filter(([, open]) => open.nextMs <= deps.now())) {
        open.trying ??= attempt(key, open).finally(() => delete open.trying);
        await open.trying;
      }
    },
  };
}

/** One try: pages from where the last one stopped. True: the hole is closed, filled or found to be one of the source's own. */
async function fill(deps: GapFillerDeps, open: OpenGap): Promise<boolean> {
  const { db, stepMs } = deps;
  const { gap, subject } = open;
  const dimension = deps.dimension(subject);
  if (!(await fetchPages(deps, open))) return false;
  const holes = stepMs === 0 ? [] : await holesIn(db, dimension, gap, stepMs);
  if (holes.length > 0 && deps.now() < gap.untilMs + stepMs + SETTLE_MS) {
    gap.cursorMs = holes[0]!.fromMs;
    return false;
  }
  await closeGap(db, dimension, gap, holes, (hole) =>
    Math.max(1, Math.round((hole.untilMs - hole.fromMs) / Math.max(stepMs, 1))),
  );
  return true;
}

/** False: the source has records that are not final by our clock; they are asked for again. */
async function fetchPages(deps: GapFillerDeps, { gap, subject }: OpenGap): Promise<boolean> {
  const { subscription, stepMs } = deps;
  for (;;) {
    const page = await deps.feed.fetch({
      ...{ ...subscription, subjects: [subject] },
      ...{ startMs: gap.cursorMs, endMs: gap.untilMs, limit: PAGE },
    });
    const final = page.filter((r) => r.tsEvent + stepMs <= deps.now());
    await deps.store(final);
    if (final.length < page.length) return false;
    if (page.length < PAGE) return true;
    const lastMs = page.at(-1)!.tsEvent;
    // trades that share a millisecond may stand on both sides of a page
    gap.cursorMs = stepMs === 0 && lastMs > gap.cursorMs ? lastMs : lastMs + 1;
    await advanceGap(deps.db, deps.dimension(subject), gap, gap.cursorMs);
  }
}

/** Settles with the work, or after `patienceMs`; the work goes on. */
export async function within(patienceMs: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, delay(patienceMs, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}
