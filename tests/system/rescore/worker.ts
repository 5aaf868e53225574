import { setTimeout as delay } from "node:timers/promises";
import { type NativeConnection, Worker } from "@temporalio/worker";
import { pino } from "pino";
import { createRescoreActivities } from "../../../activities/rescore.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { contractScorer, type Scorer } from "../../../competitions/scorer.ts";
import type { Database } from "../../../db/database.ts";
import { taskQueue } from "../../../domain/ids.ts";
import { heartbeating } from "../../../workers/heartbeat.ts";
import { profitOf, T0, testCompetition } from "../scoring/world.ts";

/** The next version of the scorer: it wants forecasts close to the truth, and cannot bear 7. */
export const nextContract = (): Competition =>
  testCompetition({
    score: (prediction, truth) => {
      const said = (prediction as { value: number }).value;
      if (said === 7) throw new Error("cannot bear 7");
      return { value: -Math.abs(said / 100 - (truth as { profit: number }).profit) };
    },
  });
/** What it says, worked out apart from it. */
export const expectedValue = (said: number, dueMs: number): number =>
  -Math.abs(said / 100 - profitOf((dueMs - T0) / 1_000));

export const nextScorer = (pauseMs = 0, hash = "scorer-2"): Scorer => {
  const scorer = contractScorer(nextContract().score, hash);
  return {
    hash,
    scoreBatch: async (items, signal) => {
      await delay(pauseMs);
      return scorer.scoreBatch(items, signal);
    },
  };
};

export interface RescoreWorkerOptions {
  connection: NativeConnection;
  codePath: string;
  /** names the queue */
  competition: string;
  db: Database;
  scorer: Scorer;
  pageRounds: number;
}

/** The worker of the score role that rescoring needs, around the real activities. */
export async function startRescoreWorker(options: RescoreWorkerOptions): Promise<{ stop(): Promise<void> }> {
  const { connection, codePath, competition, db, scorer, pageRounds } = options;
  const log = pino({ level: "silent" });
  const worker = await Worker.create({
    ...{ connection, namespace: "almanac", shutdownGraceTime: "100ms", shutdownForceTime: "3s" },
    taskQueue: taskQueue("score", competition),
    workflowBundle: { codePath },
    activities: heartbeating(createRescoreActivities({ db, competition: nextContract(), scorer, log, pageRounds })),
  });
  const working = worker.run();
  return {
    stop: async () => {
      worker.shutdown();
      await working;
    },
  };
}
