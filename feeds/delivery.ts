import { setTimeout as delay } from "node:timers/promises";
import { type Arrivals, arrivals } from "./arrivals.ts";
import { type FeedRecord, FeedSettingError, type FeedSink } from "./feed.ts";
import { causeOf } from "./http.ts";
import type { Report } from "./report.ts";

/** A final record as it came, with its place in the source's own order (an id, or a time). */
export interface Arrival {
  record: FeedRecord;
  sequence: number;
  /** the source says that nothing lies between this place and the record's */
  previous: number;
}
interface Gap {
  after: Arrival;
  before: Arrival;
}
/** What the source's history has between two arrivals; `complete: false` where it must have more than it gave. */
export type GapHistory = (gap: Gap, signal: AbortSignal) => Promise<{ records: FeedRecord[]; complete: boolean }>;

export interface DeliveryOptions {
  sink: FeedSink;
  report: Report;
  /** absent: the source has no history of this kind */
  history?: GapHistory;
  /** so long live records wait for what is missing before them, ms; it is delivered late after that */
  gapMs: number;
  /** between two tries, ms; doubles up to half a minute */
  retryMs: number;
  signal: AbortSignal;
}

/** Brings arrivals of one subscription to the sink: each record once, gaps filled first. */
export interface Delivery {
  take(batch: readonly Arrival[]): Promise<void>;
  /** something may have been missed without its showing (a lost connection, an unreadable frame): history is asked before the next record */
  doubt(): void;
  /** settles when nothing is under way any more */
  finish(): Promise<void>;
}

const LONGEST_MS = 30_000;
const MOST_DOUBLINGS = 6;
/** A source whose history lacks records so often does not have them. */
const INCOMPLETE_TRIES = 10;

export function delivery(options: DeliveryOptions): Delivery {
  const { report, signal } = options;
  const known = new Map<string, Arrivals>();
  const doubted = new Set<string>();
  const filling = new Set<Promise<void>>();
  let sending: Promise<void> = Promise.resolve();

  /** One batch after the other, as the sink expects, wherever it comes from. */
  function send(records: FeedRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    const sent = sending.then(() => options.sink(records));
    sending = sent.catch(() => undefined);
    return sent;
  }

  /** Asks until history is complete, for ever while it does not answer. */
  async function fill(gap: Gap, own: Arrivals, history: GapHistory): Promise<void> {
    for (let failures = 0, incomplete = 0; !signal.aborted; ) {
      try {
        const { records, complete } = await history(gap, signal);
        const fresh = own.fresh(records);
        await send(fresh).catch((error: unknown) => {
          own.forget(fresh);
          throw error;
        });
        if (complete) return;
        if (++incomplete >= INCOMPLETE_TRIES) return report(gapEvent(gap, "the source's history has no more of it"));
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof FeedSettingError) return report(gapEvent(gap, error.message));
        report(gapEvent(gap, `history cannot be had: ${causeOf(error)}`));
      }
      const waitMs = Math.min(LONGEST_MS, options.retryMs * 2 ** Math.min(failures++, MOST_DOUBLINGS));
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async function bridge(gap: Gap, own: Arrivals): Promise<void> {
    const open = { sinceMs: gap.after.record.tsEvent };
    if (!options.history) return report({ ...gapEvent(gap, "the source has no history of this kind"), ...open });
    report(gapEvent(gap, "asking the source's history"));
    const close = own.openGap({ fromMs: gap.after.record.tsEvent, untilMs: gap.before.record.tsEvent });
    const filled = fill(gap, own, options.history).finally(() => {
      close();
      filling.delete(filled);
    });
    filling.add(filled);
    const patience = new AbortController();
    await Promise.race([filled, delay(options.gapMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    if (filling.has(filled)) report({ ...gapEvent(gap, "what follows goes first; history is still asked"), ...open });
  }

  async function takeOne(arrival: Arrival, own: Arrivals, out: FeedRecord[]): Promise<void> {
    const { record } = arrival;
    if (!own.isNew(record)) return;
    const last = own.last;
    const isLate = last !== undefined && arrival.sequence < last.sequence;
    const doubtful = doubted.delete(record.subject);
    if (isLate) own.noteLate(arrival);
    own.advance(arrival); // before history is asked, which may well hold this very record
    if (last && !isLate && (doubtful || arrival.previous > last.sequence)) {
      await send(out.splice(0));
      await bridge({ after: last, before: arrival }, own);
    }
    out.push(record);
  }

  return {
    take: async (batch) => {
      const out: FeedRecord[] = [];
      for (const arrival of batch) {
        const { subject } = arrival.record;
        const own = known.get(subject) ?? arrivals(subject, report);
        known.set(subject, own);
        await takeOne(arrival, own, out);
      }
      for (const own of known.values()) own.tell();
      await send(out);
    },
    doubt: () => {
      for (const subject of known.keys()) doubted.add(subject);
    },
    finish: async () => {
      await Promise.allSettled(filling);
      await sending;
    },
  };
}

const gapEvent = ({ after, before }: Gap, what: string) => ({
  kind: "gap" as const,
  subject: before.record.subject,
  ms: before.record.tsEvent - after.record.tsEvent,
  detail: `between ${new Date(after.record.tsEvent).toISOString()} and ${new Date(before.record.tsEvent).toISOString()}: ${what}`,
});
