import { z } from "zod";
import { granularityText } from "../domain/granularity.ts";
import { priceOf } from "../domain/price.ts";
import type { MarketRecord } from "./competition.ts";

const candle = z.object({
  ts: z.number(),
  open: z.number(),
  high: z.number(),
  low: z.number(),
  close: z.number(),
  volume: z.number(),
});
type Candle = z.output<typeof candle>;
const tick = z.object({ ts: z.number(), price: z.number() });

export type MarketInput = {
  symbol: string;
  /** the instant this input was known at, epoch ms */
  asof_ts: number;
  ticks?: z.output<typeof tick>[] | undefined;
} & { [field in `candles_${string}`]?: Candle[] };

/** What `tick` receives: `candles_<length>` such as candles_1s, or `ticks`; oldest first. */
export const marketInput: z.ZodType<MarketInput> = z
  .object({ symbol: z.string(), asof_ts: z.number().int(), ticks: z.array(tick).optional() })
  .catchall(z.array(candle));

const seconds = (ms: number): number => ms / 1_000;
const isCandle = (record: MarketRecord): boolean => "close" in record.values;

/** Records ascending → candles under the name of their length, or ticks; times in seconds as the public node writes them. */
export function buildMarketInput(subject: string, asOfMs: number, records: readonly MarketRecord[]): MarketInput {
  const last = records.at(-1);
  const name = last ? (`candles_${granularityText(Math.max(1, last.tsFinal - last.tsEvent))}` as const) : "candles_1m";
  return inputOf(subject, asOfMs, records, name);
}

/** The same as the public node writes it (`compat: "crunch-node"`): `candles_1m` whatever their length is. */
export const buildCompatInput = (subject: string, asOfMs: number, records: readonly MarketRecord[]): MarketInput =>
  inputOf(subject, asOfMs, records, "candles_1m");

function inputOf(
  subject: string,
  asOfMs: number,
  records: readonly MarketRecord[],
  name: `candles_${string}`,
): MarketInput {
  const head = { symbol: subject, asof_ts: asOfMs };
  if (records.some((r) => !isCandle(r))) return { ...head, ticks: records.flatMap(tickOf) };
  return { ...head, [name]: records.map(candleOf) };
}

function tickOf({ tsEvent, values }: MarketRecord): { ts: number; price: number }[] {
  const price = priceOf(values);
  return price === undefined ? [] : [{ ts: seconds(tsEvent), price }];
}

function candleOf({ tsEvent, values: v }: MarketRecord): Candle {
  const close = v.close ?? Number.NaN;
  return {
    ts: seconds(tsEvent),
    open: v.open ?? close,
    high: v.high ?? close,
    low: v.low ?? close,
    close,
    volume: v.volume ?? 0,
  };
}
