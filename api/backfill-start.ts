import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { type BackfillRow, insertBackfill } from "../db/backfill.ts";
import type { Database } from "../db/database.ts";
import { progressPct } from "../domain/backfill.ts";
import { granularityMs } from "../domain/granularity.ts";
import type { backfillBody, backfillJob } from "./contract/backfill.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import { ApiError, conflict } from "./problem.ts";

/** Before this nobody recorded a market by the second; a typing error in the year is not a job of centuries. */
const EARLIEST_MS = Date.UTC(1980, 0, 1);

/** Writes the job of what is asked, as far as it is past and final. Throws 422 for a range without anything, 409 where one is open. */
export async function createBackfill(
  db: Database,
  body: z.output<typeof backfillBody>,
  nowMs: number,
): Promise<BackfillRow> {
  const { start, end, ...stream } = body;
  const finalMs = nowMs - (stream.kind === "candle" ? granularityMs(stream.granularity) : 0);
  const [startMs, endMs] = [start.getTime(), Math.min(end.getTime(), finalMs)];
  if (startMs >= end.getTime()) throw invalid(`start ${toIso(start)} must be before end ${toIso(end)}`);
  if (startMs < EARLIEST_MS) throw invalid(`start ${toIso(start)} is before ${toIso(new Date(EARLIEST_MS))}`);
  if (startMs >= endMs) throw invalid(`nothing after ${toIso(start)} is final yet`);
  const answer = await insertBackfill(db, { ...stream, id: randomUUID(), startMs, endMs });
  if ("created" in answer) return answer.created;
  const { id, status } = answer.holder;
  throw conflict(`backfill job ${id} of this stream is ${status}: wait for it, or cancel it`);
}

const invalid = (message: string): ApiError => new ApiError(422, "invalid", message);

export const jobOf = (row: BackfillRow): z.infer<typeof backfillJob> => ({
  id: row.id,
  source: row.source,
  subject: row.subject,
  kind: row.kind,
  granularity: row.granularity,
  start_ts: toIso(row.start_ts),
  end_ts: toIso(row.end_ts),
  cursor_ts: toIsoOrNull(row.cursor_ts),
  records_written: Number(row.records_written),
  pages_fetched: row.pages_fetched,
  status: row.status,
  error: row.error,
  created_at: toIso(row.created_at),
  updated_at: toIso(row.updated_at),
  progress_pct: progressPct({
    startMs: row.start_ts.getTime(),
    endMs: row.end_ts.getTime(),
    cursorMs: row.cursor_ts?.getTime() ?? null,
  }),
});
