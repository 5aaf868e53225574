import type { ColumnType } from "kysely";
import type { BackfillStatus } from "../../domain/backfill.ts";
import type { DimensionColumns, Json, JsonDefault, Now } from "./columns.ts";

export interface FeedRecords extends DimensionColumns {
  ts_event: Date;
  event_id: ColumnType<string, string | undefined, never>;
  ts_ingested: Now;
  values_jsonb: Json;
  meta_jsonb: JsonDefault;
}
export interface FeedIngestionState extends DimensionColumns {
  last_event_ts: Date;
  updated_at: Now;
  meta_jsonb: JsonDefault;
}
export interface FeedDays extends DimensionColumns {
  day: ColumnType<Date, string, never>;
  record_count: ColumnType<string, number, never>;
  first_ts: Date;
  last_ts: Date;
}
export interface FeedGaps extends DimensionColumns {
  from_ts: Date;
  until_ts: Date;
  status: "OPEN" | "FILLED" | "EMPTY";
  reason: string;
  cursor_ts: Date;
  missing: number | null;
  detected_at: Now;
  closed_at: Date | null;
}
export interface FeedQuality extends DimensionColumns {
  hour: Date;
  event: string;
  count: ColumnType<string, number, number>;
  last_at: Date;
  last_detail: string;
}
export interface BackfillJobs extends DimensionColumns {
  id: string;
  start_ts: Date;
  end_ts: Date;
  cursor_ts: Date | null;
  /** day files are written up to here */
  filed_ts: ColumnType<Date | null, Date | null | undefined, Date>;
  records_written: ColumnType<string, number | undefined, number>;
  pages_fetched: ColumnType<number, number | undefined, number>;
  status: BackfillStatus;
  error: string | null;
  created_at: Now;
  updated_at: Now;
}
