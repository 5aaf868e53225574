import { Worker } from "@temporalio/worker";
import { createCheckpointActivities } from "../activities/checkpoint.ts";
import { createCheckpointRunActivities } from "../activities/checkpoint-runs.ts";
import { createPayoutActivities } from "../activities/payout.ts";
import { createSigningActivities, createSubmissionActivities } from "../activities/submission.ts";
import { readKeyFile } from "../chain/key.ts";
import { localRegistry, noRecipients, type Recipients, recipientsFile } from "../chain/recipients.ts";
import { createRpc } from "../chain/solana/rpc.ts";
import { createSolanaChain, topUp } from "../chain/solana/solana-chain.ts";
import { type Config, ConfigError } from "../config.ts";
import { checkpointScheduleId, reconcileId, reconcileScheduleId, taskQueue, WORKFLOW } from "../domain/ids.ts";
import type { Role, RoleContext } from "./context.ts";
import { heartbeating } from "./heartbeat.ts";
import { ensureSchedule } from "./schedules.ts";

const RECONCILE_EVERY_MS = 120_000;
const GRACE = { shutdownGraceTime: "5s", shutdownForceTime: "7s" } as const;
const RPC_TIMEOUT_MS = 10_000;
/** Of a local faucet: enough for many checkpoints of the standard pool. */
const FILL_LAMPORTS = 100_000_000_000n;
/** Markers, fees and the payouts of one checkpoint have to fit. */
const SPARE_LAMPORTS = 1_000_000_000n;

/** Seals, submits and pays, in the namespace that keeps histories long; the key is used on a queue of its own, one signature at a time. */
export async function startCheckpointRole(context: RoleContext): Promise<Role> {
  const { config, db, log, temporal } = context;
  const { chain, fund } = await openChain(config);
  await fund?.().catch((error: unknown) => log.warn({ error: String(error) }, "the local faucet does not answer yet"));
  const submission = { db, chain, log, crunch: crunchOf(config), ...(fund ? { fund } : {}) };
  const base = { connection: temporal.connection, namespace: config.TEMPORAL_CHECKPOINT_NAMESPACE, ...GRACE };
  const checkpoints = await Worker.create({
    ...base,
    taskQueue: taskQueue("checkpoint", config.CRUNCH_ID),
    workflowBundle: temporal.workflowBundle,
    activities: heartbeating({
      ...createCheckpointActivities({
        db,
        log,
        recipients: recipientsFor(config),
        seal: sealSettings(context),
        approvesItself: config.NETWORK === "LOCAL",
      }),
      ...createSubmissionActivities(submission),
      ...createPayoutActivities({ db, chain, crunch: submission.crunch, poolLamports: config.PAYOUT_POOL_LAMPORTS }),
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
    activities: heartbeating(createSigningActivities(submission)),
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

const sealSettings = ({ config, competition }: RoleContext) => ({
  crunch: crunchOf(config),
  direction: competition.competition.ranking.direction,
  computeProvider: config.COMPUTE_PROVIDER_PUBKEY,
  dataProvider: config.DATA_PROVIDER_PUBKEY,
});

function recipientsFor(config: Config): Recipients {
  if (config.RECIPIENTS_FILE) return recipientsFile(config.RECIPIENTS_FILE);
  return config.NETWORK === "LOCAL" ? localRegistry : noRecipients;
}

async function openChain(config: Config) {
  const { SOLANA_RPC_URL: rpcUrl, SOLANA_KEYPAIR_PATH: keyPath } = config;
  const missing = [
    ...(rpcUrl ? [] : ["SOLANA_RPC_URL: not set; `npm start` runs a local chain, a checkpoint role needs one named"]),
    ...(keyPath ? [] : ["SOLANA_KEYPAIR_PATH: not set; name the key file that signs submissions (mode 0600)"]),
  ];
  if (!rpcUrl || !keyPath) throw new ConfigError(missing);
  const signer = await readKeyFile(keyPath);
  const chain = createSolanaChain({ rpcUrl, signer, timeoutMs: RPC_TIMEOUT_MS });
  if (config.NETWORK !== "LOCAL") return { chain };
  const rpc = createRpc(rpcUrl, RPC_TIMEOUT_MS);
  const fill = FILL_LAMPORTS + config.PAYOUT_POOL_LAMPORTS;
  return {
    chain,
    fund: async () => void (await topUp(rpc, signer.address, config.PAYOUT_POOL_LAMPORTS + SPARE_LAMPORTS, fill)),
  };
}
