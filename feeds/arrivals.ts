import type { Arrival } from "./delivery.ts";
import type { FeedRecord } from "./feed.ts";
import type { Report } from "./report.ts";

/** So many records of a subject are told from their doubles, and all of an open gap; older ones the database tells apart. */
const REMEMBERED = 4_000;

/** A stretch of time whose records are still being fetched: both ends included, epoch ms. */
interface OpenGap {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What has come of one subject: tells doubles, corrections and late records. */
export interface Arrivals {
  /** the furthest record in the source's order */
  readonly last: Arrival | undefined;
  /** false for what came before: a duplicate, or a correction, which is reported while the first one stays */
  isNew(record: FeedRecord): boolean;
  noteLate(arrival: Arrival): void;
  /** the record goes to the sink */
  advance(arrival: Arrival): void;
  /** those of a history that have not come yet; they count as come */
  fresh(records: readonly FeedRecord[]): FeedRecord[];
  /** what comes of this stretch is remembered until the function that is returned is called, however long that takes */
  openGap(gap: OpenGap): () => void;
  /** they did not get to the sink */
  forget(records: readonly FeedRecord[]): void;
  /** reports what was counted since the last time */
  tell(): void;
}

export function arrivals(subject: string, report: Report): Arrivals {
  const seen = new Map<string, FeedRecord["values"]>();
  let last: Arrival | undefined;
  const gaps = new Map<OpenGap, Map<string, FeedRecord["values"]>>();
  let duplicates = 0;
  const remember = (record: FeedRecord): void => {
    seen.set(keyOf(record), record.values);
    for (const [gap, own] of gaps) if (isWithin(gap, record.tsEvent)) own.set(keyOf(record), record.values);
    if (seen.size > REMEMBERED) seen.delete(seen.keys().next().value!);
  };
  const valuesOf = (record: FeedRecord): FeedRecord["values"] | undefined => {
    const key = keyOf(record);
    return (
      seen.get(key) ??
      gaps
        .values()
        .find((own) => own.has(key))
        ?.get(key)
    );
  };
  return {
    get last() {
      return last;
    },
    isNew: (record) => {
      const values = valuesOf(record);
      if (values === undefined) return true;
      if (JSON.stringify(values) === JSON.stringify(record.values)) duplicates++;
      else
        report({ kind: "correction", subject, record, detail: `${whenOf(record)} was sent again with other values` });
      return false;
    },
    noteLate: ({ record }) => {
      const ms = last!.record.tsEvent - record.tsEvent;
      report({ kind: "late", subject, ms, detail: `${whenOf(record)} came after ${whenOf(last!.record)}` });
    },
    advance: (arrival) => {
      remember(arrival.record);
      if (!last || arrival.sequence >= last.sequence) last = arrival;
    },
    fresh: (records) =>
      records.filter((record) => {
        const isFresh = valuesOf(record) === undefined;
        if (isFresh) remember(record);
        return isFresh;
      }),
    openGap: (gap) => {
      const inside = [...seen].filter(([key]) => isWithin(gap, Number.parseInt(key, 10)));
      gaps.set(gap, new Map(inside));
      return () => gaps.delete(gap);
    },
    forget: (records) => {
      for (const known of [seen, ...gaps.values()]) for (const record of records) known.delete(keyOf(record));
    },
    tell: () => {
      if (duplicates > 0)
        report({ kind: "duplicate", subject, count: duplicates, detail: `${duplicates} records came twice` });
      duplicates = 0;
    },
  };
}

const keyOf = ({ tsEvent, eventId }: FeedRecord): string => `${tsEvent}/${eventId}`;
const isWithin = ({ fromMs, untilMs }: OpenGap, atMs: number): boolean => atMs >= fromMs && atMs <= untilMs;
const whenOf = ({ tsEvent }: FeedRecord): string => new Date(tsEvent).toISOString();
