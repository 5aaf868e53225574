import { tableFromArrays, tableFromIPC, tableToIPC } from "@uwdata/flechette";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { VariantError } from "./variant-error.ts";

export const MAX_TABLE_BYTES = 4 << 20;
const MAX_TABLE_ROWS = 1_000_000;

/** A table on the wire: named columns of equal length. */
export class Table {
  readonly columns: readonly { readonly name: string; readonly values: readonly unknown[] }[];
  constructor(columns: readonly { readonly name: string; readonly values: readonly unknown[] }[]) {
    const rows = columns[0]?.values.length ?? 0;
    const odd = columns.find((column) => column.values.length !== rows);
    if (odd)
      throw new VariantError("BAD_TABLE", `${odd.values.length} values where the first column has ${rows}`, odd.name);
    this.columns = columns;
  }
  get rows(): Record<string, unknown>[] {
    const count = this.columns[0]?.values.length ?? 0;
    return Array.from({ length: count }, (_, row) =>
      Object.fromEntries(this.columns.map((c) => [c.name, c.values[row]])),
    );
  }
}

const bytesOf = (bytes: Uint8Array): ArrayBuffer => {
  if (bytes.length > MAX_TABLE_BYTES)
    throw new VariantError("TOO_LARGE", `${bytes.length} bytes of table, at most ${MAX_TABLE_BYTES}`);
  return new Uint8Array(bytes).buffer;
};

const badTable = (kind: string, error: unknown): VariantError =>
  error instanceof VariantError
    ? error
    : new VariantError("BAD_TABLE", `not ${kind} (${String((error as Error).message).slice(0, 120)})`);

/** @throws VariantError BAD_TABLE, TOO_LARGE */
export async function readParquet(bytes: Uint8Array): Promise<Table> {
  const file = bytesOf(bytes);
  try {
    const metadata = parquetMetadata(file);
    if (metadata.num_rows > BigInt(MAX_TABLE_ROWS))
      throw new VariantError("TOO_LARGE", `${metadata.num_rows} rows, at most ${MAX_TABLE_ROWS}`);
    const names =
      metadata.row_groups[0]?.columns.map((c) => c.meta_data?.path_in_schema[0] ?? "") ??
      metadata.schema.slice(1).map((s) => s.name);
    const rows = metadata.num_rows === 0n ? [] : await parquetReadObjects({ file, metadata });
    return new Table([...new Set(names)].map((name) => ({ name, values: rows.map((row) => row[name]) })));
  } catch (error) {
    throw badTable("a parquet file", error);
  }
}

/** @throws VariantError BAD_TABLE for a column of mixed or unsupported values */
export function writeParquet(table: Table): Uint8Array {
  try {
    return new Uint8Array(
      parquetWriteBuffer({ columnData: table.columns.map(({ name, values }) => ({ name, data: [...values] })) }),
    );
  } catch (error) {
    throw badTable("writable as parquet", error);
  }
}

/** Arrow IPC, stream or file. @throws VariantError BAD_TABLE, TOO_LARGE */
export function readArrow(bytes: Uint8Array): Table {
  const file = bytesOf(bytes);
  try {
    const table = tableFromIPC(file, { useBigInt: true });
    return new Table(table.names.map((name, i) => ({ name: String(name), values: [...table.getChildAt(i)] })));
  } catch (error) {
    throw badTable("Arrow IPC", error);
  }
}

/** Arrow IPC stream. @throws VariantError BAD_TABLE */
export function writeArrow(table: Table): Uint8Array {
  try {
    const arrays = Object.fromEntries(table.columns.map(({ name, values }) => [name, [...values]]));
    const bytes = tableToIPC(tableFromArrays(arrays), { format: "stream" });
    if (bytes === null) throw new Error("nothing was written");
    return bytes;
  } catch (error) {
    throw badTable("writable as Arrow", error);
  }
}
