import type { MarketRecord } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { type Dimension, newestRecords, watermark } from "../db/feeds.ts";
import { granularityMs } from "../domain/granularity.ts";
import { newestSegment, RecordWindow } from "../domain/window.ts";
import type { FeedRecord } from "../feeds/feed.ts";

export interface MarketOptions {
  db: Database;
  source: string;
  kind: string;
  granularity: string;
  /** records per subject that models see */
  windowSize: number;
}

type WindowedRecord = MarketRecord & { eventId: string };

/** What the node knows of its markets: the newest records of each subject in memory, everything else from the database. */
export interface Market {
  dimension(subject: string): Dimension;
  granularityMs: number;
  /** fills the window of a subject from the database, so that a restart sees what never stopping would have seen */
  load(subject: string): Promise<void>;
  add(records: readonly FeedRecord[]): void;
  /** records that were final at the instant, newest segment, ascending, at most the window's size */
  asOf(subject: string, instantMs: number): WindowedRecord[];
  /** the same from the database, for an instant that memory no longer reaches */
  asOfStored(subject: string, instantMs: number): Promise<WindowedRecord[]>;
  /** every record final at or before this instant is stored, epoch ms; null: no record at all */
  knownUntil(subject: string): Promise<number | null>;
  /** records that begin in [fromMs, untilMs], ascending, and the last one before */
  between(subject: string, fromMs: number, untilMs: number): Promise<MarketRecord[]>;
}

const FAR_FUTURE_MS = Date.UTC(9999, 0, 1);
/** Beyond this a truth looks at the newest records of its span only. */
const SPAN_LIMIT = 10_000;

export function createMarket(options: MarketOptions): Market {
  const { db, windowSize } = options;
  const duration = options.kind === "candle" ? granularityMs(options.granularity) : 0;
  const windows = new Map<string, RecordWindow<WindowedRecord>>();
  const dimension = (subject: string): Dimension => ({
    source: options.source,
    subject,
    kind: options.kind,
    granularity: options.granularity,
  });
  const toMarket = (r: FeedRecord): WindowedRecord => ({
    subject: r.subject,
    tsEvent: r.tsEvent,
    tsFinal: r.tsEvent + duration,
    eventId: r.eventId,
    values: r.values,
    segment: r.meta.segment ?? "",
  });
  const windowOf = (subject: string): RecordWindow<WindowedRecord> => {
    const window = windows.get(subject) ?? new RecordWindow<WindowedRecord>(windowSize);
    windows.set(subject, window);
    return window;
  };
  const newest = async (subject: string, range: { beforeMs: number; sinceMs?: number; limit: number }) =>
    (await newestRecords(db, dimension(subject), range)).map(toMarket);

  return {
    dimension,
    granularityMs: Math.max(duration, 1),
    load: async (subject) =>
      windowOf(subject).add(await newest(subject, { beforeMs: FAR_FUTURE_MS, limit: 2 * windowSize })),
    add: (records) => {
      for (const record of records) windowOf(record.subject).add([toMarket(record)]);
    },
    asOf: (subject, instantMs) => windowOf(subject).asOf(instantMs),
    asOfStored: async (subject, instantMs) =>
      newestSegment(await newest(subject, { beforeMs: instantMs - duration + 1, limit: windowSize })),
    knownUntil: async (subject) => {
      const last = await watermark(db, dimension(subject));
      return last === null ? null : last + duration;
    },
    between: async (subject, fromMs, untilMs) => {
      const before = await newest(subject, { beforeMs: fromMs, limit: 1 });
      return [...before, ...(await newest(subject, { beforeMs: untilMs + 1, sinceMs: fromMs, limit: SPAN_LIMIT }))];
    },
  };
}
