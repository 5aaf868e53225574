import { z } from "zod";
import type { MarketRecord } from "./competition.ts";

const candle = z.object({
  ts: z.number(),
  open: z.number(),
  high: z.number(),
  low: z.number(),
  close: z.number(),
  volume: z.number(),
});
const tick = z.object({ ts: z.number(), price: z.number() });

/** What `tick` receives; `candles_1m` keeps the name that existing models read, whatever the granularity is. */
export const marketInput = z.object({
  symbol: z.string(),
  /** the instant this input was known at, epoch ms */
  asof_ts: z.number().int(),
  candles_1m: z.array(candle).optional(),
  ticks: z.array(tick).optional(),
});
export type MarketInput = z.output<typeof marketInput>;

const seconds = (ms: number): number => ms / 1_000;
const isCandle = (record: MarketRecord): boolean => "close" in record.values;

/** Records ascending → candles or ticks, times in seconds as the public node writes them. */
export function buildMarketInput(subject: string, asOfMs: number, records: readonly MarketRecord[]): MarketInput {
  const head = { symbol: subject, asof_ts: asOfMs };
  if (records.some((r) => !isCandle(r)))
    return { ...head, ticks: records.map((r) => ({ ts: seconds(r.tsEvent), price: r.values.price ?? Number.NaN })) };
  const candles = records.map(({ tsEvent, values: v }) => {
    const close = v.close ?? Number.NaN;
    return {
      ts: seconds(tsEvent),
      open: v.open ?? close,
      high: v.high ?? close,
      low: v.low ?? close,
      close,
      volume: v.volume ?? 0,
    };
  });
  return { ...head, candles_1m: candles };
}
