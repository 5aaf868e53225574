import { readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { FeedSettingError } from "./feed.ts";

/** One recorded event, placed on the series' own clock. */
export interface RecordedEvent {
  /** since the series began, in recorded ms (1,000 a bar where rows are evenly spaced) */
  offsetMs: number;
  eventId: string;
  values: Record<string, number>;
  /** the row's time as it was recorded */
  recorded: string;
}
export interface Series {
  events: RecordedEvent[];
  /** from the first event to the end of the last: the length of one loop, recorded ms */
  spanMs: number;
  /** what one record covers, recorded ms; 0 for trades and ticks */
  stepMs: number;
}

const rowSchema = z.record(z.string(), z.string());
const TIME_COLUMNS = ["ts", "ts_event", "timestamp", "time", "date"];
const ID_COLUMNS = ["id", "trade_id", "event_id"];
const EVEN_STEP_MS = 1_000;

const numbersOf = (row: Record<string, string>, skip: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(row)
      .filter(([name, text]) => !skip.includes(name) && text !== "" && Number.isFinite(Number(text)))
      .map(([name, text]) => [name.toLowerCase(), Number(text)]),
  );

function timeOf(text: string, line: number): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(ms))
    throw new FeedSettingError(`replay file, line ${line}: "${text}" is no time (epoch ms or ISO 8601)`);
  return ms;
}

/** The smallest distance between neighbours: what one candle of a recorded series covers. */
function smallestStep(times: readonly number[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (let i = 1; i < times.length; i++) {
    const distance = times[i]! - times[i - 1]!;
    if (distance < 0)
      throw new FeedSettingError(`replay file, line ${i + 2}: time goes backwards; sort the file by time`);
    if (distance > 0) step = Math.min(step, distance);
  }
  return step;
}

/**
 * Reads a CSV with a header: a time column (ts, timestamp, time or date), an id column for trades, numbers.
 * `even` places rows one step apart whatever their dates say (daily bars without their week-ends).
 */
export function parseSeries(csv: string, options: SeriesOptions): Series {
  return seriesOf(csvRows(csv), options);
}

const csvRows = (csv: string): Record<string, string>[] =>
  z.array(rowSchema).parse(parse(csv, { columns: true, skip_empty_lines: true, trim: true }));

interface SeriesOptions {
  even: boolean;
  candles: boolean;
}

function seriesOf(rows: readonly Record<string, string>[], options: SeriesOptions): Series {
  const columns = Object.keys(rows[0] ?? {});
  const timeColumn = columns.find((c) => TIME_COLUMNS.includes(c.toLowerCase()));
  if (rows.length < 2 || !timeColumn)
    throw new FeedSettingError(
      `replay file: needs two rows and a column ${TIME_COLUMNS.join(", ")}; has ${columns.join(", ")}`,
    );
  const idColumn = options.candles ? undefined : columns.find((c) => ID_COLUMNS.includes(c.toLowerCase()));
  const times = rows.map((row, i) => timeOf(row[timeColumn]!, i + 2));
  const step = options.even ? EVEN_STEP_MS : smallestStep(times);
  const skip = idColumn ? [timeColumn, idColumn] : [timeColumn];
  const events = rows.map((row, i) => ({
    offsetMs: options.even ? i * step : times[i]! - times[0]!,
    eventId: options.candles ? "" : idColumn ? row[idColumn]! : String(i),
    values: numbersOf(row, skip),
    recorded: row[timeColumn]!,
  }));
  return { events, spanMs: events.at(-1)!.offsetMs + step, stepMs: options.candles ? step : 0 };
}

/** The S&P 500, daily bars since 2000, as an npm package ships it; placed one second apart. */
export async function packagedSeries(): Promise<Series> {
  const entry = createRequire(import.meta.url).resolve("vega-datasets"); // its exports hide the data folder
  return parseSeries(await readFile(join(dirname(entry), "..", "data", "sp500-2000.csv"), "utf8"), {
    even: true,
    candles: true,
  });
}

/** A CSV or parquet file, or a folder of such: its files one after the other, by name (days, as a backfill writes them). */
export async function fileSeries(path: string, options: SeriesOptions): Promise<Series> {
  try {
    const paths = (await stat(path)).isDirectory()
      ? (await readdir(path)).filter((name) => /\.(csv|parquet)$/.test(name)).map((name) => join(path, name))
      : [path];
    const rows: Record<string, string>[] = [];
    for (const file of paths.sort()) for (const row of await rowsOf(file)) rows.push(row);
    return seriesOf(rows, options);
  } catch (cause) {
    if (cause instanceof FeedSettingError) throw cause;
    throw new FeedSettingError(`FEED_OPT_file=${path} cannot be read: ${String(cause)}`);
  }
}

async function rowsOf(path: string): Promise<Record<string, string>[]> {
  if (path.endsWith(".parquet")) return (await import("./parquet-rows.ts")).parquetRows(path);
  return csvRows(await readFile(path, "utf8"));
}
