import { Worker } from "@temporalio/worker";
import { createMarket } from "../activities/market.ts";
import { createReconcileActivities } from "../activities/reconcile.ts";
import { createScoreActivities } from "../activities/round.ts";
import { createWindowActivities } from "../activities/window.ts";
import { preparePartitions } from "../db/partitions.ts";
import { overdueRounds, recordContract } from "../db/rounds.ts";
import { reconcileId, reconcileScheduleId, taskQueue, WORKFLOW, windowScheduleId } from "../domain/ids.ts";
import type { Role, RoleContext } from "./context.ts";
import { heartbeating } from "./heartbeat.ts";
import { predictionsOverdue, roundsTotal } from "./metrics.ts";
import { ensureSchedule } from "./schedules.ts";

const RECONCILE_EVERY_MS = 120_000;
const WATCH_MS = 15_000;
/** A truth may take this long after it was due before the round counts as overdue. */
const OVERDUE_AFTER_MS = 15_000;
const GRACE = { shutdownGraceTime: "5s", shutdownForceTime: "7s" } as const;

/** Resolves, scores, builds scoring windows, and starts again whatever the rows say is unfinished. */
export async function startScoreRole({ config, db, log, competition: loaded, temporal }: RoleContext): Promise<Role> {
  await recordContract(db, { hash: loaded.contractHash, body: loaded.contractBody, scopes: loaded.scopes });
  await preparePartitions(db, Date.now());
  const market = createMarket({
    db,
    source: config.FEED_SOURCE,
    kind: config.FEED_KIND,
    granularity: config.FEED_GRANULARITY,
    windowSize: config.FEED_CANDLES_WINDOW,
  });
  const intervalMs = config.SCORE_INTERVAL_SECONDS * 1_000;
  const anchorMs = Date.parse(config.CHECKPOINT_ANCHOR);
  const worker = await Worker.create({
    connection: temporal.connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: taskQueue("score", config.CRUNCH_ID),
    workflowBundle: temporal.workflowBundle,
    activities: heartbeating({
      ...createScoreActivities({ db, market, competition: loaded, onEnded: (status) => roundsTotal.inc({ status }) }),
      ...createWindowActivities({ db, competition: loaded.competition, log }),
      ...createReconcileActivities({
        db,
        client: temporal.rounds,
        competition: config.CRUNCH_ID,
        contractHash: loaded.contractHash,
        scopes: loaded.scopes,
        timeoutMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
        clock: { intervalMs, anchorMs, periodMs: config.CHECKPOINT_INTERVAL_SECONDS * 1_000 },
        log,
      }),
    }),
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 20,
    maxCachedWorkflows: 500,
    ...GRACE,
  });
  const working = worker.run();
  const client = temporal.rounds;
  const beat = { taskQueue: taskQueue("score", config.CRUNCH_ID) };
  await ensureSchedule(client, {
    ...beat,
    scheduleId: windowScheduleId(config.CRUNCH_ID),
    workflowType: WORKFLOW.startWindows,
    workflowId: windowScheduleId(config.CRUNCH_ID),
    everyMs: intervalMs,
    offsetMs: anchorMs % intervalMs,
  });
  await ensureSchedule(client, {
    ...beat,
    scheduleId: reconcileScheduleId(config.CRUNCH_ID),
    workflowType: WORKFLOW.reconcile,
    workflowId: reconcileScheduleId(config.CRUNCH_ID),
    everyMs: RECONCILE_EVERY_MS,
  });
  await client.workflow.start(WORKFLOW.reconcile, {
    taskQueue: taskQueue("score", config.CRUNCH_ID),
    workflowId: reconcileId(config.CRUNCH_ID),
    args: [],
    workflowIdConflictPolicy: "USE_EXISTING",
    workflowIdReusePolicy: "ALLOW_DUPLICATE",
  });
  const watch = setInterval(() => {
    overdueRounds(db, Date.now() - OVERDUE_AFTER_MS)
      .then((count) => predictionsOverdue.set(count))
      .catch((error: unknown) => log.warn({ error: String(error) }, "overdue rounds could not be counted"));
  }, WATCH_MS);
  return {
    name: "score",
    run: () => working,
    drain: async () => {
      clearInterval(watch);
      worker.shutdown();
      await working;
    },
    missing: async () => [],
  };
}
