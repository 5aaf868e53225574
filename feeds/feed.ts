/** One record of a feed. (source, subject, kind, granularity, tsEvent, eventId) is its identity: the same twice is one record. */
export interface FeedRecord {
  source: string;
  subject: string;
  kind: string;
  granularity: string;
  /** when it begins (a candle's open, a trade's time), epoch ms */
  tsEvent: number;
  /** empty for candles; the source's own id for trades and ticks, of which several may share one ms */
  eventId: string;
  values: Record<string, number>;
  meta: {
    /** records of different segments do not follow each other in reality; absent: one single segment */
    segment?: string;
    [name: string]: unknown;
  };
}

export interface Subscription {
  subjects: readonly string[];
  kind: string;
  granularity: string;
}

export type FeedEventKind =
  | "connected"
  | "reconnect"
  | "malformed"
  | "duplicate"
  | "late"
  | "correction"
  | "gap"
  | "skew"
  | "rate-limited";

/** Something about the quality of what a source sends. Never an end: the feed goes on by itself. */
export interface FeedEvent {
  kind: FeedEventKind;
  source: string;
  /** absent where it concerns the connection and not one subject */
  subject?: string;
  /** our clock, epoch ms */
  atMs: number;
  /** records or frames that it concerns */
  count: number;
  /** for people: what was seen */
  detail: string;
  /** delay to the next try (reconnect, rate-limited); length (gap); how far behind (late); theirs minus ours (skew) */
  ms?: number;
  /** gap: begin of the last record before it, epoch ms; only where what follows is delivered before the gap is filled */
  sinceMs?: number;
  /** correction: the later record, which is not delivered; the first one stays */
  record?: FeedRecord;
}
/** Given to openFeed; called in order, must not throw. */
export type FeedObserver = (event: FeedEvent) => void;

/** Awaited before the feed goes on: what it returned from has been stored. */
export type FeedSink = (records: FeedRecord[]) => Promise<void>;

export interface FetchRequest extends Subscription {
  /** half-open: tsEvent ≥ startMs and < endMs */
  startMs: number;
  endMs: number;
  limit: number;
  /** ends waiting (a rate limit may ask for minutes): the promise rejects */
  signal?: AbortSignal;
}

/** A source of market data. Feeds know no database: records go into a sink. */
export interface Feed {
  readonly source: string;
  listSubjects(): Promise<string[]>;
  /** Delivers records as they become final, for ever; reconnects by itself; settles when `signal` aborts. */
  listen(subscription: Subscription, sink: FeedSink, signal: AbortSignal): Promise<void>;
  /** History, ascending, the oldest `limit` records of the range; fewer than `limit` means there are no more. */
  fetch(request: FetchRequest): Promise<FeedRecord[]>;
}

/** Thrown for settings that a feed cannot work with: says which and what to write instead. */
export class FeedSettingError extends Error {
  override name = "FeedSettingError";
}
