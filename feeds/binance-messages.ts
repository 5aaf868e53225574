import { z } from "zod";
import type { Arrival } from "./delivery.ts";
import type { FeedRecord } from "./feed.ts";

/** Shapes of Binance's public market data; where each is documented: tests/feeds/SOURCES.md. */

const decimal = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/, "a decimal number")
  .transform(Number);
const price = decimal.refine((value) => value > 0, "a price above zero");
const amount = decimal.refine((value) => value >= 0, "an amount of zero or more");
const time = z.number().int().positive();
const id = z.number().int().nonnegative();

interface Candle {
  open: number;
  high: number;
  low: number;
  close: number;
}
const consistent = (c: Candle): boolean => c.high >= Math.max(c.open, c.close) && c.low <= Math.min(c.open, c.close);

export const klineEvent = z.object({
  e: z.literal("kline"),
  s: z.string(),
  k: z
    .object({
      t: time,
      i: z.string(),
      o: price,
      h: price,
      l: price,
      c: price,
      v: amount,
      q: amount,
      n: id,
      x: z.boolean(),
    })
    .transform((k) => ({
      startMs: k.t,
      interval: k.i,
      closed: k.x,
      values: candleValues(k.o, k.h, k.l, k.c, k.v, k.q, k.n),
    }))
    .refine(({ values }) => consistent(values), "high below low, open or close"),
});

/** A row of /api/v3/klines: open time, o, h, l, c, volume, close time, quote volume, trades, … */
export const klineRow = z
  .tuple([time, price, price, price, price, amount, time, amount, id], z.unknown())
  .transform(([startMs, o, h, l, c, v, endMs, q, n]) => ({ startMs, endMs, values: candleValues(o, h, l, c, v, q, n) }))
  .refine(({ values }) => consistent(values), "high below low, open or close");

const candleValues = (open: number, high: number, low: number, close: number, v: number, q: number, n: number) => ({
  open,
  high,
  low,
  close,
  volume: v,
  quote_volume: q,
  trades: n,
});

const trade = z.object({ a: id, p: price, q: amount, T: time, m: z.boolean() });
export const tradeEvent = trade.extend({ e: z.literal("aggTrade"), s: z.string() });
export const tradeRow = trade;
type Trade = z.output<typeof trade>;

export const markPriceEvent = z.object({
  e: z.literal("markPriceUpdate"),
  E: time,
  s: z.string(),
  p: price,
  i: price,
  r: decimal,
  T: z.number().int().nonnegative(),
});

const level = z.tuple([price, amount]);
export const depthFrame = z
  .object({ lastUpdateId: id, bids: z.array(level).min(1), asks: z.array(level).min(1) })
  .refine(({ bids, asks }) => bids[0]![0] < asks[0]![0], "the best bid is not below the best ask");

/** /stream?streams=… wraps each event; answers to commands and notices of the server have no stream. */
export const combinedFrame = z.object({ stream: z.string(), data: z.unknown() });
export const serverTime = z.object({ serverTime: time });
export const exchangeInfo = z.object({ symbols: z.array(z.object({ symbol: z.string(), status: z.string() })) });
export const refusal = z.object({ code: z.number(), msg: z.string() });

export type Labels = Pick<FeedRecord, "source" | "subject" | "kind" | "granularity">;

export function candleRecord(labels: Labels, startMs: number, values: FeedRecord["values"]): FeedRecord {
  return { ...labels, tsEvent: startMs, eventId: "", values, meta: {} };
}

export function tradeRecord(labels: Labels, { a, p, q, T, m }: Trade): FeedRecord {
  return {
    ...labels,
    tsEvent: T,
    eventId: String(a),
    values: { price: p, amount: q, buyer_maker: m ? 1 : 0 },
    meta: {},
  };
}

/** Order book values over the given levels; imbalance = (bid − ask depth) / (bid + ask depth), in [−1, 1]. */
export function depthRecord(
  labels: Labels,
  atMs: number,
  frame: z.output<typeof depthFrame>,
  levels: number,
): FeedRecord {
  const bids = frame.bids.slice(0, levels);
  const asks = frame.asks.slice(0, levels);
  const sum = (side: typeof bids): number => side.reduce((total, [, quantity]) => total + quantity, 0);
  const [bid, ask, bidDepth, askDepth] = [bids[0]![0], asks[0]![0], sum(bids), sum(asks)];
  const values = {
    best_bid: bid,
    best_ask: ask,
    spread: ask - bid,
    mid_price: (bid + ask) / 2,
    price: (bid + ask) / 2,
    bid_depth: bidDepth,
    ask_depth: askDepth,
    imbalance: bidDepth + askDepth > 0 ? (bidDepth - askDepth) / (bidDepth + askDepth) : 0,
  };
  const meta = { bids_top: bids, asks_top: asks };
  return { ...labels, tsEvent: atMs, eventId: String(frame.lastUpdateId), values, meta };
}

/** basis = mark − index price; `price` is the mark price. */
export function fundingRecord(labels: Labels, event: z.output<typeof markPriceEvent>): FeedRecord {
  const values = {
    funding_rate: event.r,
    mark_price: event.p,
    index_price: event.i,
    basis: event.p - event.i,
    next_funding_ts: event.T,
    price: event.p,
  };
  return { ...labels, tsEvent: event.E, eventId: "", values, meta: {} };
}

/** Candles follow each other by time, trades by their id; of the other kinds nothing is known to be missing. */
export const arrivalOf = (record: FeedRecord, stepMs: number): Arrival => {
  if (record.kind === "candle") return { record, sequence: record.tsEvent, previous: record.tsEvent - stepMs };
  if (record.kind === "trade" || record.kind === "tick") {
    const sequence = Number(record.eventId);
    return { record, sequence, previous: sequence - 1 };
  }
  return { record, sequence: record.tsEvent, previous: Number.NEGATIVE_INFINITY };
};
