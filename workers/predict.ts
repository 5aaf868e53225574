import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "@temporalio/worker";
import { calleeRule } from "../activities/callees.ts";
import { createCollector } from "../activities/collect.ts";
import { createMarket } from "../activities/market.ts";
import { createCollectActivities } from "../activities/round.ts";
import { createRoundClock } from "../activities/round-clock.ts";
import { createInferActivities } from "../activities/tournament.ts";
import { createTournamentClock } from "../activities/tournament-clock.ts";
import { recordFleet } from "../db/deployments.ts";
import { preparePartitions } from "../db/partitions.ts";
import { recordContract } from "../db/rounds.ts";
import { recordSchedules } from "../db/schedules.ts";
import { taskQueue } from "../domain/ids.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import { createFleetClient, type FleetClient } from "../models/client/fleet-client.ts";
import { clientSecurityOf } from "../models/secure/from-settings.ts";
import type { Role, RoleContext } from "./context.ts";
import { heartbeating } from "./heartbeat.ts";
import { feedLag, feedToPrediction, observeCall } from "./metrics.ts";

/** Looks for due times without a record this often. */
const SWEEP_MS = 250;
/** Looks for posted tournament rounds and truths this often. */
const TOURNAMENTS_MS = 500;
/** How long rounds wait at a start for the models to be connected. */
const MEET_MS = 5_000;
const CONNECT_POLL_MS = 20;
const GRACE = { shutdownGraceTime: "5s", shutdownForceTime: "7s" } as const;

export interface PredictRole extends Role {
  /** records of the feed, after their commit */
  onStored(records: FeedRecord[]): void;
}

/** Follows the models, begins rounds as they fall due and collects them. */
export async function startPredictRole(context: RoleContext): Promise<PredictRole> {
  const { config, db, log, competition: loaded, temporal } = context;
  await recordContract(db, { hash: loaded.contractHash, body: loaded.contractBody, scopes: loaded.scopes });
  await recordSchedules(db, loaded.contractHash, loaded.scopes, Date.now());
  await preparePartitions(db, Date.now());
  const fleet = createFleetClient({
    host: config.MODEL_RUNNER_NODE_HOST,
    port: config.MODEL_RUNNER_NODE_PORT,
    crunchId: config.CRUNCH_ID,
    baseClassname: config.MODEL_BASE_CLASSNAME,
    maxConsecutiveFailures: config.MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES,
    maxConsecutiveTimeouts: config.MODEL_RUNNER_MAX_CONSECUTIVE_TIMEOUTS,
    orchestratorTries: Number.POSITIVE_INFINITY,
    security: await clientSecurityOf(config, log),
    logger: log,
  });
  const market = createMarket({
    db,
    ...config.FEED_STREAMS[0],
    windowSize: config.FEED_CANDLES_WINDOW,
  });
  for (const subject of config.FEED_SUBJECTS) await market.load(subject);
  const collector = createCollector({
    db,
    fleet,
    market,
    competition: loaded,
    log,
    onResult: observeCall,
  });
  const met = Promise.withResolvers<void>();
  const worker = await Worker.create({
    connection: temporal.connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: taskQueue("predict", config.CRUNCH_ID),
    workflowBundle: temporal.workflowBundle,
    activities: heartbeating({
      ...createCollectActivities({ collector }),
      ...createInferActivities({
        ...{ db, fleet, log, competition: loaded, crunchId: config.CRUNCH_ID, met: met.promise },
        timeoutMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
      }),
    }),
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentLocalActivityExecutions: 20,
    maxConcurrentActivityTaskExecutions: 20,
    maxCachedWorkflows: 500,
    ...GRACE,
  });
  const clock = createRoundClock({
    db,
    client: temporal.rounds,
    crunchId: config.CRUNCH_ID,
    loaded,
    market,
    fleet,
    collector,
    callees: calleeRule(db, loaded.competition.callees),
    timeoutMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
    headStart: config.PREDICT_HEAD_START,
    log,
    onCollected: (seconds) => feedToPrediction.observe(seconds),
  });
  fleet.onChange(followFleet(context));
  const followed = fleet
    .init()
    .catch((error: unknown) => log.error({ error: String(error) }, "no orchestrator; rounds go on without models"));
  const working = worker.run();
  await Promise.race([followed.then(() => connected(fleet)), delay(MEET_MS)]);
  met.resolve();
  await clock.resume();

  const quietly = (work: Promise<void>): void =>
    void work.catch((error: unknown) =>
      log.error({ error: String(error) }, "rounds could not be begun; the next record tries again"),
    );
  const sweep = setInterval(() => {
    quietly(clock.sweep());
    for (const subject of config.FEED_SUBJECTS) {
      const newest = market.asOf(subject, Date.now()).at(-1);
      if (newest) feedLag.set({ subject }, (Date.now() - newest.tsFinal) / 1_000);
    }
  }, SWEEP_MS);
  const endTournaments = loaded.competition.tournament ? followTournaments(context) : () => undefined;
  let draining = false;
  return {
    name: "predict",
    onStored: (records) => {
      if (!draining) quietly(clock.onRecords(records));
    },
    run: () => working,
    drain: async () => {
      draining = true;
      clearInterval(sweep);
      endTournaments();
      await clock.idle();
      worker.shutdown();
      await working;
      await fleet[Symbol.asyncDispose]();
    },
    missing: async () => (fleet.models().length === 0 ? ["models: the orchestrator has announced none"] : []),
  };
}

/** Settles when no announced model is still being connected: a restart of the node must not cost a healthy model its round. */
async function connected(fleet: FleetClient): Promise<void> {
  while (fleet.models().some((model) => model.state === "CONNECTING")) await delay(CONNECT_POLL_MS);
}

/** Looks for tournament rounds that were posted, or got truths, one look after the other. Returns what ends it. */
function followTournaments({ config, db, log, temporal }: RoleContext): () => void {
  const clock = createTournamentClock({ db, log, client: temporal.rounds, crunchId: config.CRUNCH_ID });
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    await clock
      .sweep()
      .catch((error: unknown) => log.error({ error: String(error) }, "tournament rounds could not be taken up"));
    looking = false;
  };
  const every = setInterval(() => void look(), TOURNAMENTS_MS);
  return () => clearInterval(every);
}

/** Keeps the tables of models and deployments as announced, one write after the other. */
function followFleet({
  db,
  log,
}: RoleContext): (models: ReturnType<ReturnType<typeof createFleetClient>["models"]>) => void {
  let last: Promise<void> = Promise.resolve();
  return (models) => {
    const announced = models.map((m) => ({
      ...m,
      meta: { state: m.state, sandbox: m.sandbox ?? null, reason: m.reason ?? null },
    }));
    last = last
      .then(() => recordFleet(db, announced))
      .catch((error: unknown) => log.error({ error: String(error) }, "models could not be recorded"));
  };
}
