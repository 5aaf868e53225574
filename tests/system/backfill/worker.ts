import type { NativeConnection } from "@temporalio/worker";
import { Worker } from "@temporalio/worker";
import { createBackfillActivities, createBackfillFetchActivities } from "../../../activities/backfill.ts";
import { createDayFolder } from "../../../activities/day-folder.ts";
import { withIndexLock } from "../../../db/backfill-records.ts";
import type { Database } from "../../../db/database.ts";
import type { Stream } from "../../../domain/day-file.ts";
import { taskQueue } from "../../../domain/ids.ts";
import type { Feed } from "../../../feeds/feed.ts";
import { heartbeating } from "../../../workers/heartbeat.ts";
import { quiet } from "./world.ts";

export interface BackfillWorkerOptions {
  connection: NativeConnection;
  codePath: string;
  competition: string;
  db: Database;
  root: string;
  openFeed: (stream: Stream) => Promise<Feed>;
  pageSize?: number;
  pauseMs?: number;
}

/** The workers of the score role that backfill needs, around the real activities. */
export async function startBackfillWorkers(options: BackfillWorkerOptions): Promise<{ stop(): Promise<void> }> {
  const { connection, codePath, competition, db, root, openFeed, pageSize = 100, pauseMs = 0 } = options;
  const folder = createDayFolder({ root, exclusively: (work) => withIndexLock(db, work), log: quiet });
  const deps = { db, folder, openFeed, pageSize, pauseMs, log: quiet };
  const common = { connection, namespace: "almanac", shutdownGraceTime: "100ms", shutdownForceTime: "3s" };
  const rows = await Worker.create({
    ...common,
    taskQueue: taskQueue("score", competition),
    workflowBundle: { codePath },
    activities: heartbeating(createBackfillActivities(deps)),
  });
  const fetching = await Worker.create({
    ...common,
    taskQueue: taskQueue("backfill", competition),
    activities: heartbeating(createBackfillFetchActivities(deps)),
  });
  const working = Promise.all([rows.run(), fetching.run()]);
  return {
    stop: async () => {
      rows.shutdown();
      fetching.shutdown();
      await working;
    },
  };
}
