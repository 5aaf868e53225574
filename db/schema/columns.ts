import type { ColumnType } from "kysely";

export type Json<T = Record<string, unknown>> = ColumnType<T, string, string>;
export type JsonDefault<T = Record<string, unknown>> = ColumnType<T, string | undefined, string>;
export type Now = ColumnType<Date, Date | undefined, Date>;
/** The four dimensions that name a stream of feed records. */
export interface DimensionColumns {
  source: string;
  subject: string;
  kind: string;
  granularity: string;
}
