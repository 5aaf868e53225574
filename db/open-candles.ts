import { sql } from "kysely";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Queryable } from "./database.ts";
import type { Dimension } from "./feeds.ts";

export interface OpenCandleRow extends Dimension {
  ts_event: Date;
  values: Record<string, number>;
  updated_at: Date;
}

/** Shows a candle that is not closed beside its stream's watermark. It is no record: nothing reads it but people. A stream without any record shows none. */
export async function storeOpenCandle(db: Queryable, candle: FeedRecord): Promise<void> {
  const { source, subject, kind, granularity, tsEvent, values, meta } = candle;
  await sql`
    update feed_ingestion_state
    set meta_jsonb = meta_jsonb || jsonb_build_object('open_candle',
      ${JSON.stringify({ ts_event: new Date(tsEvent).toISOString(), values, meta })}::jsonb || jsonb_build_object('updated_at', now()))
    where source = ${source} and subject = ${subject} and kind = ${kind} and granularity = ${granularity}`.execute(db);
}

/** Candles that are still open: whatever has been closed since is a record by now. */
export async function openCandles(db: Queryable): Promise<OpenCandleRow[]> {
  const { rows } = await sql<Omit<OpenCandleRow, "ts_event" | "updated_at"> & { ts_event: string; updated_at: string }>`
    select source, subject, kind, granularity, c ->> 'ts_event' as ts_event, c -> 'values' as values, c ->> 'updated_at' as updated_at
    from feed_ingestion_state, lateral (select meta_jsonb -> 'open_candle' as c) open
    where c is not null and (c ->> 'ts_event')::timestamptz > last_event_ts`.execute(db);
  return rows.map((row) => ({ ...row, ts_event: new Date(row.ts_event), updated_at: new Date(row.updated_at) }));
}
