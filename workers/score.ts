import { Worker } from "@temporalio/worker";
import { calleeRule } from "../activities/callees.ts";
import { createMarket } from "../activities/market.ts";
import { createReconcileActivities } from "../activities/reconcile.ts";
import { createRescoreActivities } from "../activities/rescore.ts";
import { createRescoreRunActivities } from "../activities/rescore-runs.ts";
import { createRetentionActivities } from "../activities/retention.ts";
import { createScoreActivities } from "../activities/round.ts";
import { createScoreTournamentActivities } from "../activities/tournament.ts";
import { createGapVoid } from "../activities/voids.ts";
import { createWindowActivities } from "../activities/window.ts";
import { preparePartitions } from "../db/partitions.ts";
import { openRoundsOfOthers, overdueRounds, recordContract } from "../db/rounds.ts";
import { recordSchedules } from "../db/schedules.ts";
import { reconcileId, reconcileScheduleId, taskQueue, WORKFLOW, windowScheduleId } from "../domain/ids.ts";
import { createBackfillWork } from "./backfill.ts";
import type { Role, RoleContext } from "./context.ts";
import { sweepDeadLetters } from "./dead-letters.ts";
import { heartbeating } from "./heartbeat.ts";
import { predictionsOverdue, roundsTotal } from "./metrics.ts";
import { ensureRetention, retentionSettings } from "./retention.ts";
import { ensureSchedule } from "./schedules.ts";
import { truthSourcesOf } from "./truth-sources.ts";

const RECONCILE_EVERY_MS = 120_000;
const WATCH_MS = 15_000;
/** A truth may take this long after it was due before the round counts as overdue. */
const OVERDUE_AFTER_MS = 15_000;
const GRACE = { shutdownGraceTime: "5s", shutdownForceTime: "7s" } as const;

/** Resolves, scores, builds scoring windows, and starts again whatever the rows say is unfinished. */
export async function startScoreRole(context: RoleContext): Promise<Role> {
  const { config, db, log, competition: loaded, temporal } = context;
  await recordContract(db, { hash: loaded.contractHash, body: loaded.contractBody, scopes: loaded.scopes });
  await recordSchedules(db, loaded.contractHash, loaded.scopes, Date.now());
  const older = await openRoundsOfOthers(db, loaded.contractHash);
  if (older > 0) log.warn({ rounds: older }, "open rounds began under another contract; this one's rules finish them");
  await preparePartitions(db, Date.now());
  const market = createMarket({
    db,
    ...config.FEED_STREAMS[0],
    windowSize: config.FEED_CANDLES_WINDOW,
  });
  const { scorer } = loaded;
  const intervalMs = config.SCORE_INTERVAL_SECONDS * 1_000;
  const anchorMs = Date.parse(config.CHECKPOINT_ANCHOR);
  const backfill = await createBackfillWork(context);
  const scoring = createScoreActivities({
    db,
    market,
    truthSources: truthSourcesOf(config, loaded.competition, db),
    competition: loaded,
    scorer,
    voidOnGap: createGapVoid({ db, market, competition: loaded.competition, log }),
    onEnded: (status) => roundsTotal.inc({ status }),
  });
  const worker = await Worker.create({
    connection: temporal.connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: taskQueue("score", config.CRUNCH_ID),
    workflowBundle: temporal.workflowBundle,
    activities: heartbeating({
      ...scoring,
      ...createScoreTournamentActivities({ db, scoreRound: scoring.scoreRound }),
      ...createWindowActivities({ db, competition: loaded.competition, scopes: loaded.scopes, scorer, log }),
      ...createReconcileActivities({
        db,
        client: temporal.rounds,
        competition: config.CRUNCH_ID,
        callees: calleeRule(db, loaded.competition.callees),
        timeoutMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
        clock: { intervalMs, anchorMs, periodMs: config.CHECKPOINT_INTERVAL_SECONDS * 1_000 },
        log,
      }),
      ...createRetentionActivities({ db, settings: retentionSettings(config, loaded.competition), log }),
      ...backfill.activities,
      ...createRescoreActivities({ db, competition: loaded.competition, scorer, log }),
      ...createRescoreRunActivities({ db, client: temporal.rounds, competition: config.CRUNCH_ID }),
    }),
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 40, // rounds that are scored together share their statements
    maxCachedWorkflows: 500,
    ...GRACE,
  });
  const working = Promise.all([worker.run(), backfill.worker.run()]).then(() => undefined);
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
  await ensureRetention(client, config);
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
  const endSweep = sweepDeadLetters({ db, competition: loaded.competition, scorer, log });
  return {
    name: "score",
    run: () => working,
    drain: async () => {
      clearInterval(watch);
      await endSweep();
      worker.shutdown();
      backfill.worker.shutdown();
      await working;
    },
    missing: async () => [],
  };
}
