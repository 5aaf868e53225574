import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";

/** Rows of a parquet file as a CSV would give them: text by column; times as ISO 8601, what is absent as the empty text. */
export async function parquetRows(path: string): Promise<Record<string, string>[]> {
  const file = await asyncBufferFromFile(path);
  const rows: Record<string, unknown>[] = await parquetReadObjects({ file });
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])));
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
