import { z } from "zod";
import { isoTime, jsonObject, limitParameter, textParameter } from "./common.ts";

const dimension = { source: z.string(), subject: z.string(), kind: z.string(), granularity: z.string() };

export const feedRow = z.object({
  ...dimension,
  record_count: z.number().int(),
  oldest_ts: isoTime.nullable(),
  newest_ts: isoTime.nullable(),
  watermark_ts: isoTime,
  watermark_updated_at: isoTime,
});
export const feedQualityQuery = z.object({
  hours: limitParameter(24, 168).describe("counts and closed gaps of so many hours"),
});
export const feedQualityRow = z.object({
  ...dimension,
  /** live, late, stale or empty, by the age of the newest record's end */
  state: z.enum(["live", "late", "stale", "empty"]),
  age_seconds: z.number().nullable(),
  watermark_ts: isoTime.nullable(),
  /** the candle that is not closed yet, as it stands; null: the source shows none */
  open_candle: z
    .object({ open: z.literal(true), ts_event: isoTime, updated_at: isoTime, values: jsonObject })
    .nullable(),
  gaps: z.object({
    open: z.number().int(),
    filled: z.number().int(),
    /** the source has nothing there */
    empty: z.number().int(),
    missing_records: z.number().int(),
    /** the newest 20 */
    spans: z.array(
      z.object({
        from_ts: isoTime,
        until_ts: isoTime,
        status: z.enum(["OPEN", "FILLED", "EMPTY"]),
        reason: z.string(),
        missing_records: z.number().int().nullable(),
        closed_at: isoTime.nullable(),
      }),
    ),
  }),
  /** duplicate, late, future, refused, correction, reconnect, malformed, skew, rate-limited, disagreement, interrupted */
  events: z.array(z.object({ event: z.string(), count: z.number().int(), last_at: isoTime, last_detail: z.string() })),
});
export const feedTailRow = z.object({
  ...dimension,
  ts_event: isoTime,
  ts_ingested: isoTime,
  values: jsonObject,
  meta: jsonObject,
});
const name = textParameter(100).optional();
export const feedTailQuery = z.object({
  source: name,
  subject: name,
  kind: name,
  granularity: name,
  limit: limitParameter(20, 200),
});
