import { z } from "zod";
import type { BackfillStatus } from "../../domain/backfill.ts";
import { isDayFileName, isPathPart } from "../../domain/day-file.ts";
import { isoTime, limitParameter, timeParameter } from "./common.ts";

const NO_PART = "letters, digits, dot, dash and underscore, at most 64, no dot first";
const part = z.string().refine(isPathPart, NO_PART);
const stream = {
  source: part.transform((source) => source.toLowerCase()),
  subject: part,
  kind: z.enum(["candle", "tick", "trade", "depth", "funding"]),
  granularity: z.string().regex(/^[1-9]\d{0,6}(ms|s|m|h|d)$/, "a number and ms, s, m, h or d, such as 1m"),
};
const status = z.enum([
  "pending",
  "running",
  "paused",
  "completed",
  "failed",
  "cancelled",
]) satisfies z.ZodType<BackfillStatus>;
const names = { source: z.string(), subject: z.string(), kind: z.string(), granularity: z.string() };

/** Half-open; without a zone it is UTC. */
export const backfillBody = z.strictObject({ ...stream, start: timeParameter, end: timeParameter });

export const backfillJob = z.object({
  id: z.string(),
  ...names,
  start_ts: isoTime,
  end_ts: isoTime,
  cursor_ts: isoTime.nullable(),
  records_written: z.number().int(),
  pages_fetched: z.number().int(),
  status,
  error: z.string().nullable(),
  created_at: isoTime,
  updated_at: isoTime,
  progress_pct: z.number(),
});
export const backfillJobsQuery = z.object({ status: status.optional(), limit: limitParameter(100, 1_000) });
export const backfillJobId = z.object({ id: z.string().min(1).max(64) });

/** A stream that can be filled: one that the node follows, or that has records or jobs already. */
export const backfillFeed = z.object({
  ...names,
  /** the node follows it */
  configured: z.boolean(),
  record_count: z.number().int(),
  oldest_ts: isoTime.nullable(),
  newest_ts: isoTime.nullable(),
  /** the open job that holds it */
  job_id: z.string().nullable(),
});

export const dayFile = z.object({
  path: z.string(),
  records: z.number().int(),
  size_bytes: z.number().int(),
  date: z.string(),
});
export const dayFilePlace = z.object({
  ...{ source: part, subject: part, kind: part, granularity: part },
  file: z.string().refine(isDayFileName, "YYYY-MM-DD.parquet"),
});
