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
