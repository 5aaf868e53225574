import { setTimeout as delay } from "node:timers/promises";
import { type Bar, barOf, foldCandles } from "./candles.ts";
import type { SourceClock } from "./clock.ts";
import type { FetchRequest } from "./feed.ts";
import { type HttpSource, SourceError } from "./http.ts";
import { type PythUpdate, priceUpdate, tradingViewHistory, updatesOfInterval } from "./pyth-messages.ts";
import type { PriceFeed } from "./pyth-symbols.ts";
import { type Report, unreadable } from "./report.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** Resolutions of the Benchmarks API that our candles are made of, minutes; larger ones begin at hours of their own. */
const RESOLUTIONS = [60, 30, 15, 5, 1];
/** Seconds of updates in one request: both ends are included, and 60 is the most the API takes. */
const SPAN_SECONDS = 60;
const MOST_BARS = 5_000;
/** The history is trusted to hold all of what lies so far back; nearer, only what something later follows, ms. */
const LAG_MS = 60_000;
/** So far beyond its end a stretch is looked at for something later. */
const BEYOND_MS = 10_000;
/** A history that does not reach a recent end yet is asked again, after delays that double. */
const REACH_ASKS = 5;
/** An answer without anything is asked for again once: closed markets are silent, too. */
const ASKS = 2;

export interface PythHistoryOptions {
  benchmarks: HttpSource;
  clock: SourceClock;
  report: Report;
  retryMs: number;
}

type Range = Pick<FetchRequest, "startMs" | "endMs" | "limit"> & { signal?: AbortSignal | undefined };

/** Candles, and how far the history went beyond them: the last thing it has begins there. */
interface Stretch {
  bars: Bar[];
  reachMs: number;
}

export interface PythHistory {
  /** Every update of [startMs, endMs), ascending; at least `limit` of them, or all that the history has now. */
  ticks(feed: PriceFeed, range: Range): Promise<PythUpdate[]>;
  /** Candles that begin in [startMs, endMs) and that something later follows, so that they are whole: the oldest `limit`. */
  candles(feed: PriceFeed, stepMs: number, range: Range): Promise<Bar[]>;
  /** The same, waiting a little for a history that lags behind a recent end. */
  settledTicks(feed: PriceFeed, range: Range): Promise<PythUpdate[]>;
  settledCandles(feed: PriceFeed, stepMs: number, range: Range): Promise<Bar[]>;
}

const bySlot = (a: PythUpdate, b: PythUpdate): number => a.atMs - b.atMs || (a.slot ?? 0) - (b.slot ?? 0);

export function pythHistory(options: PythHistoryOptions): PythHistory {
  const { benchmarks, clock, report, retryMs } = options;

  async function again<T>(ask: () => Promise<T[]>, signal: AbortSignal | undefined): Promise<T[]> {
    for (let asked = 1; ; asked++) {
      const found = await ask();
      if (found.length > 0 || asked === ASKS) return found;
      await delay(retryMs, undefined, signal ? { signal } : {});
    }
  }

  async function updatesOf(feed: PriceFeed, fromS: number, spanS: number, signal?: AbortSignal): Promise<PythUpdate[]> {
    const path = `/v1/updates/price/${fromS}/${spanS - 1}`;
    const query = { ids: feed.id, encoding: "hex", parsed: "true", unique: "false" };
    const answers = await benchmarks.get({ path, query, schema: updatesOfInterval, signal });
    return answers
      .flatMap(({ parsed }) => parsed ?? [])
      .flatMap((part) => {
        const read = priceUpdate.safeParse(part);
        if (!read.success) report(unreadable(path, part, read.error));
        return read.success && read.data.id === feed.id ? [read.data] : [];
      })
      .sort(bySlot);
  }

  /**
   * Each request begins at the last update that was found, so that every two neighbours stand in one answer: a history that grows while it
   * is read, or whose servers lag differently, leaves no hole between two answers.
   */
  async function ticks(
    feed: PriceFeed,
    range: Range,
    isEnough: (found: readonly PythUpdate[]) => boolean = ({ length }) => length >= range.limit,
  ): Promise<PythUpdate[]> {
    const { startMs, endMs, signal } = range;
    const untilS = Math.ceil(Math.min(endMs, clock.now()) / SECOND_MS);
    const found = new Map<string, PythUpdate>();
    const inOrder = () => [...found.values()].sort(bySlot);
    for (let fromS = Math.floor(startMs / SECOND_MS); fromS < untilS && !isEnough(inOrder()); ) {
      const span = Math.min(SPAN_SECONDS, untilS - fromS);
      const untilMs = Math.min((fromS + span) * SECOND_MS, endMs);
      const part = await again(() => updatesOf(feed, fromS, span, signal), signal);
      for (const update of part)
        if (update.atMs >= startMs && update.atMs < untilMs) found.set(`${update.atMs}/${update.slot ?? ""}`, update);
      const lastS = Math.floor((part.findLast(({ atMs }) => atMs < untilMs)?.atMs ?? 0) / SECOND_MS);
      fromS = lastS > fromS && fromS + span < untilS ? lastS : fromS + span;
    }
    return inOrder();
  }

  /** Candles of odd lengths are made of updates. */
  async function candlesOfTicks(feed: PriceFeed, stepMs: number, range: Range): Promise<Stretch> {
    const fold = (all: readonly PythUpdate[]): Bar[] =>
      foldCandles(
        all.map(({ atMs, price }) => barOf(atMs, price)),
        stepMs,
      );
    // one candle more than asked for shows that the last one is whole
    const found = await ticks(feed, range, (all) => fold(all).length > range.limit);
    return { bars: fold(found), reachMs: found.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY };
  }

  async function barsOf(feed: PriceFeed, minutes: number, fromMs: number, untilMs: number, signal?: AbortSignal) {
    const query = {
      symbol: feed.symbol,
      resolution: minutes,
      from: fromMs / SECOND_MS,
      to: Math.ceil(untilMs / SECOND_MS),
    };
    const path = "/v1/shims/tradingview/history";
    const answer = await benchmarks.get({ path, query, schema: tradingViewHistory, signal });
    if (answer.s === "error") throw new SourceError(`${path} for ${feed.symbol}: ${answer.errmsg ?? "an error"}`);
    const { t, o, h, l, c } = answer;
    const bars = t.map((second, i): Bar => {
      return { atMs: second * SECOND_MS, open: o[i]!, high: h[i]!, low: l[i]!, close: c[i]!, volume: 0 };
    });
    return bars.filter(({ atMs, low }) => atMs >= fromMs && atMs < untilMs && low > 0);
  }

  async function candlesOfBars(feed: PriceFeed, stepMs: number, minutes: number, range: Range): Promise<Stretch> {
    const { startMs, endMs, limit, signal } = range;
    const perCandle = stepMs / (minutes * MINUTE_MS);
    const candles: Bar[] = [];
    let reachMs = Number.NEGATIVE_INFINITY;
    for (let fromMs = startMs; fromMs < endMs && candles.length <= limit; ) {
      const most = Math.max(1, Math.floor(Math.min(MOST_BARS / perCandle, limit + 1 - candles.length)));
      const untilMs = Math.min(endMs, fromMs + most * stepMs);
      const bars = await again(() => barsOf(feed, minutes, fromMs, untilMs, signal), signal);
      candles.push(...foldCandles(bars, stepMs));
      reachMs = bars.at(-1)?.atMs ?? reachMs;
      fromMs = untilMs;
    }
    return { bars: candles, reachMs };
  }

  /** `trustedMs`: what ended before needs nothing later to follow. */
  async function stretch(feed: PriceFeed, stepMs: number, range: Range, trustedMs: number): Promise<Stretch> {
    const startMs = Math.ceil(range.startMs / stepMs) * stepMs;
    const endMs = Math.ceil(range.endMs / stepMs) * stepMs;
    const beyond = { ...range, startMs, endMs: Math.min(endMs + Math.max(stepMs, BEYOND_MS), clock.now()) };
    const minutes = RESOLUTIONS.find((resolution) => stepMs % (resolution * MINUTE_MS) === 0);
    const { bars, reachMs } = minutes
      ? await candlesOfBars(feed, stepMs, minutes, beyond)
      : await candlesOfTicks(feed, stepMs, beyond);
    const whole = bars.filter(({ atMs }) => atMs < endMs && atMs + stepMs <= Math.max(reachMs, trustedMs));
    return { bars: whole.slice(0, range.limit), reachMs };
  }

  /** Reads on from the last thing found until it is enough. */
  async function following<T extends { atMs: number }>(
    read: (startMs: number) => Promise<{ found: T[]; isEnough: boolean }>,
    { startMs, signal }: Range,
  ): Promise<T[]> {
    let all: T[] = [];
    for (let asked = 1; ; asked++) {
      const fromMs = all.at(-1)?.atMs ?? startMs;
      const { found, isEnough } = await read(fromMs);
      all = [...all.filter(({ atMs }) => atMs < fromMs), ...found];
      if (isEnough || asked === REACH_ASKS) return all;
      await delay(retryMs * 2 ** (asked - 1), undefined, signal ? { signal } : {});
    }
  }

  const isOld = (endMs: number): boolean => endMs < clock.now() - LAG_MS;

  return {
    ticks: (feed, range) => ticks(feed, range),
    candles: async (feed, stepMs, range) => (await stretch(feed, stepMs, range, Number.NEGATIVE_INFINITY)).bars,
    settledTicks: async (feed, range) => {
      const { endMs, limit } = range;
      const all = await following(async (startMs) => {
        const found = await ticks(feed, { ...range, startMs, endMs: isOld(endMs) ? endMs : endMs + BEYOND_MS });
        return { found, isEnough: isOld(endMs) || found.length >= limit || (found.at(-1)?.atMs ?? 0) >= endMs };
      }, range);
      return all.filter(({ atMs }) => atMs < endMs);
    },
    settledCandles: async (feed, stepMs, range) => {
      const { endMs, limit } = range;
      const all = await following(async (startMs) => {
        const trustedMs = clock.now() - LAG_MS;
        const { bars, reachMs } = await stretch(feed, stepMs, { ...range, startMs }, trustedMs);
        const lastEndMs = Math.min(Math.ceil(endMs / stepMs), Math.floor(clock.now() / stepMs)) * stepMs;
        return { found: bars, isEnough: bars.length >= limit || Math.max(reachMs, trustedMs) >= lastEndMs };
      }, range);
      return all.slice(0, limit);
    },
  };
}
