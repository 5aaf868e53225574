import type { Arrival } from "./delivery.ts";
import type { FeedRecord } from "./feed.ts";
import type { Report } from "./report.ts";

/** A price at an instant, or a smaller candle that begins there. */
export interface Bar {
  atMs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export const barOf = (atMs: number, price: number): Bar => ({
  ...{ atMs, open: price, high: price, low: price, close: price },
  volume: 0,
});

const startOf = (atMs: number, stepMs: number): number => Math.floor(atMs / stepMs) * stepMs;

const join = (candle: Bar, next: Bar): Bar => ({
  atMs: candle.atMs,
  open: candle.open,
  high: Math.max(candle.high, next.high),
  low: Math.min(candle.low, next.low),
  close: next.close,
  volume: candle.volume + next.volume,
});

/** Ascending bars → candles of `stepMs`; where nothing was, there is no candle. */
export function foldCandles(bars: readonly Bar[], stepMs: number): Bar[] {
  const candles: Bar[] = [];
  for (const bar of bars) {
    const startMs = startOf(bar.atMs, stepMs);
    const last = candles.at(-1);
    if (last?.atMs === startMs) candles[candles.length - 1] = join(last, bar);
    else candles.push({ ...bar, atMs: startMs });
  }
  return candles;
}

/** A price update of a stream; `previousMs` is the time of the one before, as the source says. */
interface Tick {
  atMs: number;
  previousMs: number;
  price: number;
}

/** Makes candles of one subject's ticks, which come in order. */
export interface CandleBuilder {
  /** the candle that this tick shows to be over, if it is whole */
  add(tick: Tick): Arrival | undefined;
  /** the candle that ended at or before this instant of the source's time, though no tick shows it, if it is whole */
  endAt(sourceMs: number): Arrival | undefined;
  /** the open candle as far as it is known; undefined: none has begun */
  current(): FeedRecord | undefined;
  /** a tick may have been missed: the open candle cannot be vouched for, and is left to the source's history */
  doubt(): void;
}

interface Open {
  candle: Bar;
  firstPreviousMs: number;
  lastMs: number;
  whole: boolean;
}

/**
 * A candle is whole when its first tick says that the one before it lies in an earlier candle, and each further tick names the one
 * before it as its predecessor. Only whole candles are given out.
 */
export function candleBuilder(
  stepMs: number,
  toRecord: (candle: Bar) => FeedRecord,
  report: Report,
  subject: string,
): CandleBuilder {
  let open: Open | undefined;
  let endedMs = Number.NEGATIVE_INFINITY;

  function end(): Arrival | undefined {
    if (!open) return undefined;
    const { candle, firstPreviousMs, lastMs, whole } = open;
    endedMs = candle.atMs + stepMs;
    open = undefined;
    return whole ? { record: toRecord(candle), sequence: lastMs, previous: firstPreviousMs } : undefined;
  }

  return {
    add: ({ atMs, previousMs, price }) => {
      if (atMs < endedMs) {
        const detail = `a tick of ${new Date(atMs).toISOString()} came after its candle was given out`;
        report({ kind: "late", subject, ms: endedMs - atMs, detail });
        return undefined;
      }
      const bar = barOf(atMs, price);
      const startMs = startOf(atMs, stepMs);
      if (open && previousMs > open.lastMs) open.whole = false;
      if (open?.candle.atMs === startMs) {
        open.candle = join(open.candle, bar);
        open.lastMs = atMs;
        return undefined;
      }
      const ended = end();
      open = {
        candle: { ...bar, atMs: startMs },
        firstPreviousMs: previousMs,
        lastMs: atMs,
        whole: previousMs < startMs,
      };
      return ended;
    },
    endAt: (sourceMs) => (open && sourceMs >= open.candle.atMs + stepMs ? end() : undefined),
    current: () => open && toRecord(open.candle),
    doubt: () => {
      if (open) open.whole = false;
    },
  };
}
