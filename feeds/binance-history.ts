import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { candleRecord, klineRow, type Labels, serverTime, tradeRecord, tradeRow } from "./binance-messages.ts";
import type { SourceClock } from "./clock.ts";
import type { GapHistory } from "./delivery.ts";
import type { FeedRecord, FetchRequest } from "./feed.ts";
import type { HttpSource } from "./http.ts";
import { type Report, unreadable } from "./report.ts";

const PAGE = 1_000;
/** Both ends of a request for trades lie less than an hour apart. */
const TRADE_SPAN_MS = 3_600_000 - 1;
/** A candle that ended less than this ago may still be written by the source's database, ms. */
const SETTLED_MS = 500;
/** A page that lacks records it should have is asked for so often. */
const ASKS = 3;

export interface HistoryOptions {
  http: HttpSource;
  clock: SourceClock;
  report: Report;
  retryMs: number;
}

type Range = Pick<FetchRequest, "startMs" | "endMs" | "limit" | "signal">;

export interface BinanceHistory {
  /** Closed candles of [startMs, endMs), the oldest `limit`. */
  candles(labels: Labels, interval: string, stepMs: number, range: Range): Promise<FeedRecord[]>;
  /** Aggregate trades of [startMs, endMs), the oldest `limit`. */
  trades(labels: Labels, range: Range): Promise<FeedRecord[]>;
  /** Asks for the server's time, so that an open candle is not taken for a closed one on a machine whose clock is wrong. */
  measureClock(signal?: AbortSignal): Promise<void>;
  gap(labels: (subject: string) => Labels, interval: string, stepMs: number): GapHistory;
}

export function binanceHistory({ http, clock, report, retryMs }: HistoryOptions): BinanceHistory {
  const rows = z.array(z.unknown());
  let measured = false;

  async function measureClock(signal?: AbortSignal): Promise<void> {
    const sentMs = Date.now();
    const answer = await http.get({ path: "/api/v3/time", schema: serverTime, signal });
    clock.observe(answer.serverTime, sentMs, Date.now(), 1);
    measured = true;
  }

  async function candlePage(labels: Labels, interval: string, stepMs: number, range: Range): Promise<FeedRecord[]> {
    const { startMs, endMs, limit, signal } = range;
    const query = { symbol: labels.subject, interval, startTime: startMs, endTime: endMs - 1, limit };
    const expected = Math.min(limit, Math.ceil((endMs - Math.ceil(startMs / stepMs) * stepMs) / stepMs));
    let page: FeedRecord[] = [];
    for (let ask = 0; ask < ASKS && page.length < expected; ask++) {
      if (ask > 0) await delay(retryMs * ask, undefined, signal ? { signal } : {});
      const answer = await http.get({ path: "/api/v3/klines", query, schema: rows, signal });
      const closed = readable(answer, klineRow, "klines", report).filter(
        (row) => row.startMs >= startMs && row.startMs < endMs && row.endMs < clock.now() - SETTLED_MS,
      );
      const records = closed.map((row) => candleRecord(labels, row.startMs, row.values));
      if (records.length > page.length) page = records;
    }
    return page;
  }

  async function candles(labels: Labels, interval: string, stepMs: number, range: Range): Promise<FeedRecord[]> {
    if (!measured) await measureClock(range.signal);
    const endMs = Math.min(range.endMs, Math.floor((clock.now() - SETTLED_MS) / stepMs) * stepMs);
    const records: FeedRecord[] = [];
    for (let startMs = range.startMs; startMs < endMs && records.length < range.limit; ) {
      const limit = Math.min(PAGE, range.limit - records.length);
      const page = await candlePage(labels, interval, stepMs, { ...range, startMs, endMs, limit });
      if (page.length === 0) break;
      records.push(...page);
      startMs = page.at(-1)!.tsEvent + stepMs;
    }
    return records;
  }

  const tradePage = async (labels: Labels, query: Record<string, string | number>, signal?: AbortSignal) => {
    const all = { symbol: labels.subject, ...query, limit: PAGE };
    const answer = await http.get({ path: "/api/v3/aggTrades", query: all, schema: rows, signal });
    return readable(answer, tradeRow, "aggTrades", report);
  };

  /** An hour without trades is rare enough to be asked for again. */
  async function tradesBetween(labels: Labels, startTime: number, endTime: number, signal?: AbortSignal) {
    for (let ask = 1; ; ask++) {
      const page = await tradePage(labels, { startTime, endTime }, signal);
      if (page.length > 0 || ask === ASKS) return page;
      await delay(retryMs * ask, undefined, signal ? { signal } : {});
    }
  }

  async function trades(labels: Labels, { startMs, endMs, limit, signal }: Range): Promise<FeedRecord[]> {
    const records: FeedRecord[] = [];
    let fromMs = startMs;
    let fromId: number | undefined;
    while (records.length < limit && fromMs < endMs) {
      const untilMs = Math.min(endMs - 1, fromMs + TRADE_SPAN_MS);
      const page =
        fromId === undefined
          ? await tradesBetween(labels, fromMs, untilMs, signal)
          : await tradePage(labels, { fromId }, signal);
      const last = page.at(-1);
      for (const row of page) if (row.T >= startMs && row.T < endMs) records.push(tradeRecord(labels, row));
      if (last && last.T >= endMs) break;
      if (last && (page.length === PAGE || fromId === undefined)) {
        fromId = last.a + 1; // ids go on where the clock would cut a millisecond in two
        fromMs = last.T;
      } else if (fromId !== undefined) break;
      else fromMs = untilMs + 1;
    }
    return records.slice(0, limit);
  }

  async function tradesByIds(labels: Labels, fromId: number, untilId: number, signal: AbortSignal) {
    const records: FeedRecord[] = [];
    for (let next = fromId; next < untilId; ) {
      const page = (await tradePage(labels, { fromId: next }, signal)).filter(({ a }) => a >= next);
      for (const row of page) if (row.a < untilId) records.push(tradeRecord(labels, row));
      if (page.length === 0) break;
      next = page.at(-1)!.a + 1;
    }
    return records;
  }

  const gap =
    (labelsOf: (subject: string) => Labels, interval: string, stepMs: number): GapHistory =>
    async ({ after, before }, signal) => {
      const labels = labelsOf(before.record.subject);
      if (labels.kind !== "candle") {
        const records = await tradesByIds(labels, after.sequence + 1, before.sequence, signal);
        return { records, complete: records.length >= before.sequence - after.sequence - 1 };
      }
      const [startMs, endMs] = [after.sequence + stepMs, before.sequence];
      const range = { startMs, endMs, limit: Number.POSITIVE_INFINITY, signal };
      const records = await candles(labels, interval, stepMs, range);
      return { records, complete: records.length >= (endMs - startMs) / stepMs };
    };

  return { candles, trades, measureClock, gap };
}

/** Rows that read; the others are reported and left out, so that one of them does not cost the page. */
function readable<T>(rows: readonly unknown[], schema: z.ZodType<T>, what: string, report: Report): T[] {
  return rows.flatMap((row) => {
    const parsed = schema.safeParse(row);
    if (parsed.success) return [parsed.data];
    report(unreadable(what, row, parsed.error));
    return [];
  });
}
