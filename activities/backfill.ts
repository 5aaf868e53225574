import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import { type BackfillRow, backfillById, moveBackfill, setFiled } from "../db/backfill.ts";
import { firstRecordFrom, recordsBetween } from "../db/backfill-records.ts";
import {
  type BackfillCommand,
  type BackfillStatus,
  COMMAND_TARGET,
  progressPct,
  refusedCommand,
} from "../domain/backfill.ts";
import { dayStart, nextDay, type Stream } from "../domain/day-file.ts";
import type { Feed, FeedRecord } from "../feeds/feed.ts";
import { fetchPages, isFetched, judged, type PageDeps } from "./backfill-pages.ts";
import { DAY_CHUNK, type DayRow, dayRow } from "./day-file.ts";
import type { DayFolder } from "./day-folder.ts";

export interface BackfillDeps extends PageDeps {
  folder: DayFolder;
  /** the job's own dimensions decide what is opened, never the node's settings */
  openFeed: (stream: Stream) => Promise<Feed>;
  log: Logger;
}

/** Where a job stands: what the workflow's query, its update and the API answer. */
export interface BackfillProgress {
  id: string;
  status: BackfillStatus;
  progressPct: number;
  recordsWritten: number;
  pagesFetched: number;
  error: string | null;
}

/** One activity lasts about this long, so that a pause or a shutdown is never far away. */
const SLICE_MS = 15_000;

export function createBackfillActivities(deps: BackfillDeps) {
  const { db, log } = deps;
  return {
    /** Takes a job up, or tells where it stands. */
    async beginBackfill({ id }: { id: string }): Promise<BackfillProgress> {
      await moveBackfill(db, id, "pending", "running");
      return progressOf(await found(deps, id));
    },

    /** Pauses, resumes or cancels. Refused with the reason where the job's status does not allow it; asking twice is no mistake. */
    async commandBackfill({ id, command }: { id: string; command: BackfillCommand }): Promise<BackfillProgress> {
      for (;;) {
        const { status } = await found(deps, id);
        const refused = refusedCommand(command, status);
        if (refused !== null) throw ApplicationFailure.nonRetryable(refused, "NotOpen");
        const to = COMMAND_TARGET[command];
        if (status === to || (command === "resume" && status === "pending")) break;
        const moved = await moveBackfill(db, id, status, to);
        if (moved === "held") throw ApplicationFailure.nonRetryable("another job of this stream is open", "NotOpen");
        if (moved === "moved") log.info({ id, from: status, to }, "backfill");
        if (moved === "moved") break;
      }
      return progressOf(await found(deps, id));
    },

    /** What is wrong with it, for people; resume takes it up again. */
    async failBackfill({ id, error }: { id: string; error: string }): Promise<BackfillProgress> {
      const { status } = await found(deps, id);
      if (status === "running" || status === "pending")
        await moveBackfill(db, id, status, "failed", error.replaceAll("\0", "").slice(0, 500));
      log.warn({ id, error }, "backfill failed");
      return progressOf(await found(deps, id));
    },
  };
}

/** What takes long, on a queue of its own: at most two jobs fetch at once, and none delays a score. */
export function createBackfillFetchActivities(deps: BackfillDeps) {
  return {
    /** Some pages; files the days that are passed, and completes the job at its end. */
    async fetchBackfill({ id }: { id: string }): Promise<BackfillProgress> {
      const { info, cancellationSignal: signal } = Context.current();
      const look = () => found(deps, id);
      const first = await look();
      if (first.status !== "running") return progressOf(first);
      const feed = await deps.openFeed(first).catch((error: unknown) => {
        throw judged(error, first.source, info.attempt);
      });
      const stop = { deadlineMs: Date.now() + SLICE_MS, signal };
      const passed = (row: BackfillRow) => fileDays(deps, row, dayStart(cursorOf(row)));
      const { row, failed } = await fetchPages(deps, feed, look, stop, passed);
      const advanced = row.pages_fetched > first.pages_fetched;
      if (failed !== null && !advanced) throw judged(failed, row.source, info.attempt);
      if (failed !== null) deps.log.warn({ id, error: String(failed) }, "backfill: the source failed; trying again");
      if (row.status === "running" && isFetched(row)) {
        await fileDays(deps, row, row.end_ts.getTime());
        await moveBackfill(deps.db, id, "running", "completed");
      }
      return progressOf(await look());
    },

    /** Files what a job that ended early has stored. */
    async fileBackfill({ id }: { id: string }): Promise<void> {
      const row = await found(deps, id);
      await fileDays(deps, row, cursorOf(row));
    },
  };
}
export type BackfillActivities = ReturnType<typeof createBackfillActivities> &
  ReturnType<typeof createBackfillFetchActivities>;

async function found({ db }: BackfillDeps, id: string): Promise<BackfillRow> {
  const row = await backfillById(db, id);
  if (!row) throw ApplicationFailure.nonRetryable(`no backfill job ${id}`, "UnknownJob");
  return row;
}

const cursorOf = (row: BackfillRow): number => (row.cursor_ts ?? row.start_ts).getTime();

const progressOf = (row: BackfillRow): BackfillProgress => ({
  id: row.id,
  status: row.status,
  progressPct: progressPct({
    startMs: row.start_ts.getTime(),
    endMs: row.end_ts.getTime(),
    cursorMs: row.cursor_ts?.getTime() ?? null,
  }),
  recordsWritten: Number(row.records_written),
  pagesFetched: row.pages_fetched,
  error: row.error,
});

/** Each UTC day that has records and begins before `untilMs` becomes a file of everything that is stored of it; days are filed in order, once. */
async function fileDays(deps: BackfillDeps, row: BackfillRow, untilMs: number): Promise<void> {
  let fromMs = (row.filed_ts ?? row.start_ts).getTime();
  while (fromMs < untilMs) {
    const firstMs = await firstRecordFrom(deps.db, row, { fromMs: dayStart(fromMs), untilMs });
    if (firstMs === null) fromMs = untilMs;
    else {
      await fileDay(deps, row, dayStart(firstMs));
      fromMs = Math.min(nextDay(firstMs), untilMs);
    }
    await setFiled(deps.db, row.id, fromMs);
  }
}

async function fileDay(deps: BackfillDeps, row: BackfillRow, dayMs: number): Promise<void> {
  const { source, subject, kind, granularity } = row;
  const stream = { source, subject, kind, granularity };
  const range = { fromMs: dayMs, untilMs: nextDay(dayMs), chunk: DAY_CHUNK };
  try {
    await deps.folder.fileDay(stream, dayMs, rowsOf(recordsBetween(deps.db, stream, range)));
  } catch (error) {
    if (error instanceof Error && "path" in error)
      throw judged(error, "the folder of day files", Context.current().info.attempt);
    throw error;
  }
}

async function* rowsOf(chunks: AsyncIterable<FeedRecord[]>): AsyncGenerator<DayRow[]> {
  for await (const chunk of chunks) yield chunk.map(dayRow);
}
