import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";

const folder = process.env.ALMANAC_TEST_DATA ?? join(import.meta.dirname, "..", "..", "..", "shared", "data");
const paths = { candles: join(folder, "xrp-eth-1m.csv"), trades: join(folder, "xrp-eth-trades.csv") };
/** Recorded market data are kept beside the project, not in it. */
export const hasRecordings = existsSync(paths.candles) && existsSync(paths.trades);

export interface CandleText {
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}
export interface TradeText {
  price: string;
  amount: string;
  side: string;
}

const read = new Map<string, Record<string, string>[]>();
function rows(path: string): Record<string, string>[] {
  const known = read.get(path) ?? parse(readFileSync(path, "utf8"), { columns: true });
  read.set(path, known);
  return known;
}

/** Prices from a formula, where there are no recordings. */
const madeUp = (i: number): CandleText => {
  const middle = 100 + 10 * Math.sin(i / 7) + ((i * 7919) % 101) / 100;
  const [open, close] = [middle, middle + Math.sin(i) / 3];
  const text = (value: number): string => value.toFixed(8);
  return {
    ...{ open: text(open), close: text(close), volume: text((i * 31) % 17) },
    ...{ high: text(Math.max(open, close) + 0.5), low: text(Math.min(open, close) - 0.5) },
  };
};

/** The content of the i-th record, for any i. */
export function candleContent(): (i: number) => CandleText {
  if (!hasRecordings) return madeUp;
  const recorded = rows(paths.candles) as unknown as CandleText[];
  return (i) => recorded[i % recorded.length]!;
}

export function tradeContent(): (i: number) => TradeText {
  if (!hasRecordings) return (i) => ({ price: madeUp(i).close, amount: "1.5", side: i % 2 ? "sell" : "buy" });
  const recorded = rows(paths.trades) as unknown as TradeText[];
  return (i) => recorded[i % recorded.length]!;
}
