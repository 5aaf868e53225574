import type { Database } from "../db/database.ts";
import { type Dimension, recordKey, storedValues } from "../db/feeds.ts";
import type { FeedStream } from "../domain/feed-streams.ts";
import { refusal } from "../domain/price-sanity.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { QualityLog } from "./feed-quality.ts";

/** A record may be this far ahead of our clock; beyond, either clock is wrong, and it is fetched again when it is due. */
const AHEAD_MS = 5_000;
/** Ahead by more than this, it is taken and counted: the clocks differ. */
const NOTED_AHEAD_MS = 1_000;
/** So many refused records are known again, so that a history that is asked twice does not count them twice. */
const REMEMBERED = 1_000;
/** What PostgreSQL refuses in a text: NUL and lone surrogates, as JSON writes them. */
const UNSTORABLE = /\\u0000|\\ud[89a-f]/i;

interface RefusalDeps {
  stream: FeedStream;
  /** what one record covers, ms; 0 for trades and ticks */
  stepMs: number;
  /** older records are thrown away sooner or later, and so are not taken, ms */
  keepMs: number;
  quality: QualityLog;
  now: () => number;
}

/** Tells what can be believed from what cannot. */
export interface Refusals {
  /** `good` ascending in time; `tell` counts what was refused, once */
  sift(records: readonly FeedRecord[]): { good: FeedRecord[]; tell: () => void };
  /** the believable ones in the order in which they came */
  inTurn(records: readonly FeedRecord[]): FeedRecord[];
}

export function createRefusals({ stream, stepMs, keepMs, quality, now }: RefusalDeps): Refusals {
  const told = new Set<string>();
  const reasonOf = (record: FeedRecord): string | null => {
    const { source, kind, granularity, eventId, meta } = record;
    if (source !== stream.source || kind !== stream.kind || granularity !== stream.granularity)
      return `it is of ${source} ${kind} ${granularity}`;
    const reason = refusal(record, stream.subjects);
    if (reason !== null) return reason;
    const aheadMs = record.tsEvent + stepMs - now();
    if (aheadMs > AHEAD_MS) return `it is final in ${aheadMs} ms by our clock`;
    if (aheadMs < -keepMs) return `it is older than ${Math.round(keepMs / 86_400_000)} days, which is all that is kept`;
    return UNSTORABLE.test(JSON.stringify([eventId, meta])) ? "it has characters that are none" : null;
  };
  const tellOnce = (record: FeedRecord, reason: string): void => {
    const key = `${record.subject}/${recordKey(record)}`;
    if (told.has(key)) return;
    told.add(key);
    if (told.size > REMEMBERED) told.delete(told.keys().next().value!);
    quality.count(
      "refused",
      stream.subjects.includes(record.subject) ? record.subject : undefined,
      text(record, reason),
    );
  };
  return {
    sift: (records) => {
      const verdicts = records.map((record) => ({ record, reason: reasonOf(record) }));
      const good = verdicts.flatMap(({ record, reason }) => (reason === null ? [record] : []));
      return {
        good: good.sort((a, b) => a.tsEvent - b.tsEvent),
        tell: () => {
          for (const { record, reason } of verdicts) if (reason !== null) tellOnce(record, reason);
        },
      };
    },
    inTurn: (records) => records.filter((record) => reasonOf(record) === null),
  };
}

interface ArrivalDeps {
  db: Database;
  dimension: (subject: string) => Dimension;
  stepMs: number;
  quality: QualityLog;
  now: () => number;
}
interface Arrived {
  /** as they came */
  arrived: readonly FeedRecord[];
  /** those that were not stored before */
  fresh: readonly FeedRecord[];
  /** begin of the furthest record before them, by subject */
  before: ReadonlyMap<string, number>;
}

/** Counts what came late, ahead of its time, twice, or otherwise than before (the first one stays). */
export async function countArrivals(deps: ArrivalDeps, { arrived, fresh, before }: Arrived): Promise<void> {
  const { quality, stepMs, now } = deps;
  const isFresh = new Set(fresh);
  const lead = new Map(before);
  for (const record of arrived) {
    const furthest = lead.get(record.subject) ?? 0;
    if (isFresh.has(record) && record.tsEvent < furthest)
      quality.count("late", record.subject, text(record, `it came after that of ${iso(furthest)}`));
    if (record.tsEvent + stepMs - now() > NOTED_AHEAD_MS)
      quality.count("future", record.subject, text(record, "it is ahead of our clock"));
    lead.set(record.subject, Math.max(furthest, record.tsEvent));
  }
  const again = arrived.filter((record) => !isFresh.has(record));
  for (const [subject, own] of Map.groupBy(again, (r) => r.subject)) await countAgain(deps, subject, own);
}

async function countAgain(deps: ArrivalDeps, subject: string, again: readonly FeedRecord[]): Promise<void> {
  const stored = await storedValues(deps.db, deps.dimension(subject), again);
  for (const record of again) {
    const first = stored.get(recordKey(record));
    const isSame = first === undefined || sameValues(first, record.values);
    const what = isSame ? "it came twice" : `it said ${JSON.stringify(first)} before; the first one stays`;
    deps.quality.count(isSame ? "duplicate" : "correction", subject, text(record, what));
  }
}

const sameValues = (a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);

const iso = (ms: number): string => new Date(ms).toISOString();
const text = (record: FeedRecord, what: string): string => {
  const at = Number.isFinite(new Date(record.tsEvent).getTime()) ? iso(record.tsEvent) : String(record.tsEvent);
  return `${at} ${JSON.stringify(record.values)}: ${what}`;
};
