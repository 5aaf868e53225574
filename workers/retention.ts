import type { Client } from "@temporalio/client";
import type { RetentionSettings } from "../activities/retention-needs.ts";
import type { Competition } from "../competitions/competition.ts";
import type { Config } from "../config.ts";
import { retentionScheduleId, taskQueue, WORKFLOW } from "../domain/ids.ts";
import { ensureSchedule } from "./schedules.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

export const retentionSettings = (config: Config, { windows }: Pick<Competition, "windows">): RetentionSettings => ({
  feedMs: config.FEED_RECORD_TTL_DAYS * DAY_MS,
  predictionMs: config.PREDICTION_TTL_DAYS * DAY_MS,
  snapshotMs: config.SNAPSHOT_TTL_DAYS * DAY_MS,
  longestWindowMs: Math.max(0, ...windows.map((w) => w.hours)) * HOUR_MS,
  streams: config.FEED_STREAMS.flatMap(({ source, kind, granularity, subjects }) =>
    subjects.map((subject) => ({ source, subject, kind, granularity })),
  ),
  windowRecords: config.FEED_CANDLES_WINDOW,
});

/** `retention/<competition>`, every FEED_RETENTION_CHECK_SECONDS. */
export const ensureRetention = (client: Client, config: Config): Promise<void> =>
  ensureSchedule(client, {
    taskQueue: taskQueue("score", config.CRUNCH_ID),
    scheduleId: retentionScheduleId(config.CRUNCH_ID),
    workflowType: WORKFLOW.retention,
    workflowId: retentionScheduleId(config.CRUNCH_ID),
    everyMs: config.FEED_RETENTION_CHECK_SECONDS * 1_000,
  });
