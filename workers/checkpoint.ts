import { Worker } from "@temporalio/worker";
import { createBundleActivities } from "../activities/bundle.ts";
import { createCheckpointActivities } from "../activities/checkpoint.ts";
import { createCheckpointRunActivities } from "../activities/checkpoint-runs.ts";
import { createDecisionActivities } from "../activities/decision.ts";
import { createNoteActivities } from "../activities/note.ts";
import { createPayoutActivities } from "../activities/payout.ts";
import { createSigningActivities, createSubmissionActivities } from "../activities/submission.ts";
import type { Config } from "../config.ts";
import { checkpointScheduleId, reconcileId, reconcileScheduleId, taskQueue, WORKFLOW } from "../domain/ids.ts";
import { bundleDeps } from "./bundle-settings.ts";
import { openChain } from "./chain.ts";
import type { Role, RoleContext } from "./context.ts";
import { decisionSettings } from "./decision-settings.ts";
import { heartbeating } from "./heartbeat.ts";
import { noteSigner } from "./note-signer.ts";
import { poolOf } from "./payout-pool.ts";
import { ensureSchedule } from "./schedules.ts";
import { sealDeps } from "./seal-settings.ts";

const RECONCILE_EVERY_MS = 120_000;
const GRACE = { shutdownGraceTime: "5s", shutdownForceTime: "7s" } as const;

/** Seals, submits and pays, in the namespace that keeps histories long; the key is used on a queue of its own, one signature at a time. */
export async function startCheckpointRole(context: RoleContext): Promise<Role> {
  const { config, db, log, temporal } = context;
  const decisions = decisionSettings(config, crunchOf(config));
  const pool = await poolOf(config);
  const { chain, signer, fund } = await openChain(config, pool);
  await fund?.().catch((error: unknown) => log.warn({ error: String(error) }, "the local faucet does not answer yet"));
  const submission = { db, chain, log, crunch: crunchOf(config), ...(fund ? { fund } : {}) };
  const base = { connection: temporal.connection, namespace: config.TEMPORAL_CHECKPOINT_NAMESPACE, ...GRACE };
  const checkpoints = await Worker.create({
    ...base,
    taskQueue: taskQueue("checkpoint", config.CRUNCH_ID),
    workflowBundle: temporal.workflowBundle,
    activities: heartbeating({
      ...createCheckpointActivities({ db, log, ...sealDeps(context, submission.crunch) }),
      ...createDecisionActivities({ db, chain, decisions }),
      ...createSubmissionActivities(submission),
      ...createPayoutActivities({ ...submission, pool }),
      ...createBundleActivities(bundleDeps(context, signer)),
      ...createCheckpointRunActivities({
        db,
        client: temporal.checkpoints,
        competition: config.CRUNCH_ID,
        taskQueue: taskQueue("checkpoint", config.CRUNCH_ID),
        clock: clockOf(config),
        log,
      }),
    }),
    maxConcurrentActivityTaskExecutions: 20,
    maxConcurrentWorkflowTaskExecutions: 10,
    maxCachedWorkflows: 100,
  });
  const signing = await Worker.create({
    ...base,
    taskQueue: taskQueue("signing", config.CRUNCH_ID),
    activities: heartbeating({
      ...createSigningActivities(submission),
      ...createNoteActivities({ db, log, signer: noteSigner(signer) }),
    }),
    maxConcurrentActivityTaskExecutions: 1,
  });
  const working = Promise.all([checkpoints.run(), signing.run()]);
  await startBeats(context);
  return {
    name: "checkpoint",
    run: async () => void (await working),
    drain: async () => {
      for (const worker of [checkpoints, signing]) if (worker.getState() === "RUNNING") worker.shutdown();
      await working;
    },
    missing: async () => {
      const problem = await chain.genesis().then(
        () => null,
        (error: unknown) => String(error),
      );
      return problem === null ? [] : [`chain: ${problem}`];
    },
  };
}

/** At each period's end, every two minutes, and now. */
async function startBeats({ config, temporal: { checkpoints: client } }: RoleContext): Promise<void> {
  const { intervalMs, anchorMs } = clockOf(config);
  const beat = { taskQueue: taskQueue("checkpoint", config.CRUNCH_ID), workflowType: WORKFLOW.startCheckpoints };
  const [atEnd, regular] = [checkpointScheduleId(config.CRUNCH_ID), reconcileScheduleId(config.CRUNCH_ID)];
  await ensureSchedule(client, {
    ...beat,
    scheduleId: atEnd,
    workflowId: atEnd,
    everyMs: intervalMs,
    offsetMs: ((anchorMs % intervalMs) + intervalMs) % intervalMs,
  });
  await ensureSchedule(client, { ...beat, scheduleId: regular, workflowId: regular, everyMs: RECONCILE_EVERY_MS });
  await client.workflow.start(WORKFLOW.startCheckpoints, {
    ...{ taskQueue: taskQueue("checkpoint", config.CRUNCH_ID), workflowId: reconcileId(config.CRUNCH_ID), args: [] },
    ...{ workflowIdConflictPolicy: "USE_EXISTING", workflowIdReusePolicy: "ALLOW_DUPLICATE" },
  });
}

const clockOf = (config: Config) => ({
  anchorMs: Date.parse(config.CHECKPOINT_ANCHOR),
  intervalMs: config.CHECKPOINT_INTERVAL_SECONDS * 1_000,
});

/** As the chain knows the crunch; a local competition has no address. */
const crunchOf = (config: Config): string => config.CRUNCH_PUBKEY || config.CRUNCH_ID;
