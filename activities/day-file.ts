import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { z } from "zod";
import type { Stream } from "../domain/day-file.ts";
import type { FeedRecord } from "../feeds/feed.ts";

/** One line of a day file: what identifies it, and the columns of the public format. */
export interface DayRow {
  tsMs: number;
  eventId: string;
  open: number | null;
  high: number | null;
  low: number | null;
  close: number | null;
  volume: number | null;
  /** JSON: values without a column of their own, what the record's meta says, and `event_id` of trades */
  meta: string;
}

const NUMBERS = ["open", "high", "low", "close", "volume"] as const;
const TEXTS = ["source", "subject", "kind", "granularity"] as const;
const COLUMNS = ["ts_event", ...TEXTS, ...NUMBERS, "meta"];
/** Rows held at once, and rows of one row group. */
export const DAY_CHUNK = 20_000;

/** pyarrow reads ts_event as timestamp[us, tz=UTC]. Older readers look at converted_type, newer ones at logical_type. */
const TS: SchemaElement = {
  name: "ts_event",
  type: "INT64",
  converted_type: "TIMESTAMP_MICROS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
  repetition_type: "REQUIRED",
};
const text = (name: string): SchemaElement => ({
  name,
  type: "BYTE_ARRAY",
  converted_type: "UTF8",
  logical_type: { type: "STRING" },
  repetition_type: "REQUIRED",
});
const double = (name: string): SchemaElement => ({ name, type: "DOUBLE", repetition_type: "OPTIONAL" });
const SCHEMA: SchemaElement[] = [
  { name: "schema", num_children: COLUMNS.length },
  TS,
  ...TEXTS.map(text),
  ...NUMBERS.map(double),
  text("meta"),
];

export function dayRow(record: FeedRecord): DayRow {
  const { open, high, low, close, volume, ...rest } = record.values;
  const meta = { ...record.meta, ...rest, ...(record.eventId === "" ? {} : { event_id: record.eventId }) };
  const columns = { open, high, low, close, volume };
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, columns[name] ?? null]));
  return {
    tsMs: record.tsEvent,
    eventId: record.eventId,
    ...(numbers as Pick<DayRow, (typeof NUMBERS)[number]>),
    meta: JSON.stringify(meta),
  };
}

/** Writes a whole file, one row group per chunk; returns the number of rows. Nothing is said of `file` unless it returned. */
export async function writeDayFile(file: string, stream: Stream, chunks: AsyncIterable<DayRow[]>): Promise<number> {
  const writer = new ParquetWriter({ writer: fileWriter(file), schema: SCHEMA, createdBy: "almanac" });
  let rows = 0;
  for await (const chunk of chunks) {
    await writer.write({ columnData: columnsOf(stream, chunk), rowGroupSize: chunk.length });
    rows += chunk.length;
  }
  await writer.finish();
  return rows;
}

const columnsOf = (stream: Stream, chunk: readonly DayRow[]) => [
  { name: "ts_event", data: chunk.map((row) => BigInt(row.tsMs) * 1_000n) },
  ...TEXTS.map((name) => ({ name, data: chunk.map(() => stream[name]) })),
  ...NUMBERS.map((name) => ({ name, data: chunk.map((row) => row[name]) })),
  { name: "meta", data: chunk.map((row) => row.meta) },
];

/** Rows of a file, from its footer. @throws Error where it is no parquet file of these columns */
export async function countRows(file: string): Promise<number> {
  return Number((await open(file)).metadata.num_rows);
}

async function open(file: string) {
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  const names = metadata.schema.slice(1).map((column) => column.name);
  const absent = COLUMNS.filter((name) => !names.includes(name));
  if (absent.length > 0) throw new Error(`no column ${absent.join(", ")}`);
  return { buffer, metadata };
}

const number = z
  .number()
  .nullish()
  .transform((value) => value ?? null);
const stored = z.object({
  ts_event: z.date(),
  ...{ open: number, high: number, low: number, close: number, volume: number },
  meta: z
    .string()
    .nullish()
    .transform((value) => value ?? "{}"),
});
const named = z.object({ event_id: z.coerce.string().default("") });

/** Rows in the order of the file, chunk by chunk. @throws Error where it cannot be read as a day file */
export async function* readDayFile(file: string): AsyncGenerator<DayRow[]> {
  const { buffer, metadata } = await open(file);
  const total = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < total; rowStart += DAY_CHUNK) {
    const rowEnd = Math.min(total, rowStart + DAY_CHUNK);
    const rows = await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd });
    yield rows.map((row) => {
      const { ts_event, ...columns } = stored.parse(row);
      const { event_id: eventId } = named.parse(JSON.parse(columns.meta) ?? {});
      return { tsMs: ts_event.getTime(), eventId, ...columns };
    });
  }
}

/** By time, then by the source's own id: as the database orders them. */
const order = (a: DayRow, b: DayRow): number =>
  a.tsMs - b.tsMs || (a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0);

/** Both in order, each row once; where both have one, the first's is taken. */
export async function* mergeRows(
  first: AsyncIterable<DayRow[]>,
  second: AsyncIterable<DayRow[]>,
): AsyncGenerator<DayRow[]> {
  const [ours, theirs] = [cursor(first), cursor(second)];
  let [a, b] = [await ours(), await theirs()];
  let chunk: DayRow[] = [];
  while (a !== null || b !== null) {
    const turn = a === null ? 1 : b === null ? -1 : order(a, b);
    chunk.push(turn <= 0 ? a! : b!);
    if (turn <= 0) a = await ours();
    if (turn >= 0) b = await theirs();
    if (chunk.length === DAY_CHUNK) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

/** One row after the other; null at the end. Answers at once while its chunk lasts. */
function cursor(chunks: AsyncIterable<DayRow[]>): () => DayRow | null | Promise<DayRow | null> {
  const source = chunks[Symbol.asyncIterator]();
  let chunk: DayRow[] = [];
  let at = 0;
  const refill = async (): Promise<DayRow | null> => {
    const next = await source.next();
    if (next.done) return null;
    [chunk, at] = [next.value, 0];
    return chunk.length > 0 ? chunk[at++]! : refill();
  };
  return () => (at < chunk.length ? chunk[at++]! : refill());
}
