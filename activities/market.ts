import type { MarketRecord } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { type Dimension, newestRecords } from "../db/feeds.ts";
import { type Delivered, deliveredOf, recordsAround } from "../db/market.ts";
import { granularityMs } from "../domain/granularity.ts";
import { newestSegment, RecordWindow } from "../domain/window.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import { gathered } from "./gathered.ts";

export interface MarketOptions {
  db: Database;
  source: string;
  kind: string;
  granularity: string;
  /** records per subject that models see */
  windowSize: number;
  /** what the database knew at this instant, and nothing that came later; absent: all of it */
  knownAt?: Date | undefined;
}

type WindowedRecord = MarketRecord & { eventId: string };

/** How far the records of a subject are known, epoch ms. */
interface Coverage {
  /** every record final at or before this instant is stored */
  knownUntilMs: number;
  /** the newest stored record was final at this instant */
  deliveredUntilMs: number;
  /** holes that are still being filled: records that begin in [fromMs, untilMs) may come */
  openGaps: { fromMs: number; untilMs: number }[];
}

/** What the node knows of its markets: the newest records of each subject in memory, everything else from the database. */
export interface Market {
  readonly source: string;
  dimension(subject: string): Dimension;
  granularityMs: number;
  /** fills the window of a subject from the database, so that a restart sees what never stopping would have seen */
  load(subject: string): Promise<void>;
  /** records of other sources, kinds and granularities are left aside */
  add(records: readonly FeedRecord[]): void;
  /** records that were final at the instant, newest segment, ascending, at most the window's size; of what memory holds */
  asOf(subject: string, instantMs: number): WindowedRecord[];
  /** the same; from the database where memory no longer reaches that far back */
  windowAt(subject: string, instantMs: number): Promise<WindowedRecord[]>;
  /** holes that end before `sinceMs` are of no concern */
  coverage(subject: string, sinceMs: number): Promise<Coverage>;
  /** records that begin in (fromMs, untilMs], ascending, and before them the last one that begins at or before fromMs */
  between(subject: string, fromMs: number, untilMs: number): Promise<MarketRecord[]>;
}

const FAR_FUTURE_MS = Date.UTC(9999, 0, 1);
/** Beyond this a truth looks at the newest records of its span only, and at the one that opens it. */
const SPAN_LIMIT = 100_000;
/** Rounds that come due together ask in one statement, as long as the answer stays small. */
const MOST_ASKED = 50;
const MOST_RECORDS = 5_000;

export function createMarket(options: MarketOptions): Market {
  const { db, windowSize, source, kind, granularity, knownAt: storedBy } = options;
  const duration = kind === "candle" ? granularityMs(granularity) : 0;
  const windows = new Map<string, RecordWindow<WindowedRecord>>();
  const dimension = (subject: string): Dimension => ({ source, subject, kind, granularity });
  const isOurs = (r: FeedRecord): boolean => r.source === source && r.kind === kind && r.granularity === granularity;
  const toMarket = (r: FeedRecord): WindowedRecord => ({
    subject: r.subject,
    tsEvent: r.tsEvent,
    tsFinal: r.tsEvent + duration,
    eventId: r.eventId,
    values: inOrder(r.values),
    segment: r.meta.segment ?? "",
  });
  const windowOf = (subject: string): RecordWindow<WindowedRecord> => {
    const window = windows.get(subject) ?? new RecordWindow<WindowedRecord>(windowSize);
    windows.set(subject, window);
    return window;
  };
  const newest = async (subject: string, range: { beforeMs: number; limit: number }) =>
    (await newestRecords(db, dimension(subject), { ...range, storedBy })).map(toMarket);
  const stream = { source, kind, granularity };
  const delivered = gathered<Since, Delivered>({ most: MOST_ASKED }, (asked) => deliveredOf(db, stream, asked));
  const around = gathered<SubjectSpan, FeedRecord[]>(
    {
      most: MOST_RECORDS,
      weight: ({ fromMs, untilMs }) => Math.min((untilMs - fromMs) / Math.max(duration, 1), SPAN_LIMIT),
    },
    (asked) => recordsAround(db, stream, asked, { limit: SPAN_LIMIT, storedBy }),
  );

  return {
    source,
    dimension,
    granularityMs: Math.max(duration, 1),
    load: async (subject) => {
      const limit = 2 * windowSize;
      const records = await newest(subject, { beforeMs: FAR_FUTURE_MS, limit });
      windowOf(subject).load(records, records.length < limit);
    },
    add: (records) => {
      for (const record of records.filter(isOurs)) windowOf(record.subject).add([toMarket(record)]);
    },
    asOf: (subject, instantMs) => windowOf(subject).asOf(instantMs),
    windowAt: async (subject, instantMs) => {
      const window = windowOf(subject);
      if (window.reaches(instantMs)) return window.asOf(instantMs);
      return newestSegment(await newest(subject, { beforeMs: instantMs - duration + 1, limit: windowSize }));
    },
    coverage: async (subject, sinceMs) => coverageOf(await delivered({ subject, sinceMs }), duration),
    between: async (subject, fromMs, untilMs) => (await around({ subject, fromMs, untilMs })).map(toMarket),
  };
}

interface Since {
  subject: string;
  sinceMs: number;
}
interface SubjectSpan {
  subject: string;
  fromMs: number;
  untilMs: number;
}

function coverageOf({ lastMs: last, openGaps: gaps }: Delivered, duration: number): Coverage {
  const deliveredUntilMs = last === null ? 0 : last + duration;
  // a record that begins at a hole's first ms is final a duration later: just before that, everything is known
  const knownUntilMs = gaps.reduce((min, gap) => Math.min(min, gap.fromMs + duration - 1), deliveredUntilMs);
  return { knownUntilMs, deliveredUntilMs, openGaps: gaps };
}

/** The database forgets the order of names; in memory it must be the same, or a restart would show models other bytes. */
const inOrder = (values: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
