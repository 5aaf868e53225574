import { type NativeConnection, Worker } from "@temporalio/worker";
import { pino } from "pino";
import { type CheckpointDeps, createCheckpointActivities } from "../../../activities/checkpoint.ts";
import { createPayoutActivities } from "../../../activities/payout.ts";
import { createSigningActivities, createSubmissionActivities } from "../../../activities/submission.ts";
import type { ChainPort } from "../../../chain/port.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import type { Database } from "../../../db/database.ts";
import { taskQueue } from "../../../domain/ids.ts";
import { heartbeating } from "../../../workers/heartbeat.ts";

/** One node serves the competitions of all tests of a file. */
export const NODE = "test";
export const POOL = 1_000_000_007n; // divides by nothing
export const quiet = pino({ level: process.env.TEST_LOG ?? "silent" });

export interface WorkerOptions {
  connection: NativeConnection;
  namespace: string;
  bundle: { codePath: string };
  db: Database;
  chain: ChainPort;
  deps?: Partial<CheckpointDeps>;
  poolLamports?: bigint;
  /** stands between Temporal and the activities: what it throws is a crash */
  around?: (name: string, run: () => Promise<unknown>, input: Record<string, unknown>) => Promise<unknown>;
}

type Activity = (input: Record<string, unknown>) => Promise<unknown>;

/** The two workers of the checkpoint role, around the real activities. */
export async function startWorkers({
  connection,
  namespace,
  bundle,
  db,
  chain,
  deps,
  poolLamports = POOL,
  around,
}: WorkerOptions) {
  const seal = { crunch: "crunch", direction: "desc" as const, computeProvider: "", dataProvider: "" };
  const submission = { db, chain, log: quiet, crunch: "crunch" };
  const base = { connection, namespace };
  const wrapped = (activities: object) =>
    Object.fromEntries(
      Object.entries(activities as Record<string, Activity>).map(([name, run]) => [
        name,
        (input: Record<string, unknown>) => (around ? around(name, () => run(input), input) : run(input)),
      ]),
    );
  const checkpoints = await Worker.create({
    ...base,
    taskQueue: taskQueue("checkpoint", NODE),
    workflowBundle: bundle,
    activities: heartbeating(
      wrapped({
        ...createCheckpointActivities({
          db,
          log: quiet,
          recipients: localRegistry,
          seal,
          approvesItself: true,
          ...deps,
        }),
        ...createSubmissionActivities(submission),
        ...createPayoutActivities({ db, chain, crunch: "crunch", poolLamports }),
      }),
    ),
  });
  const signing = await Worker.create({
    ...base,
    taskQueue: taskQueue("signing", NODE),
    activities: heartbeating(wrapped(createSigningActivities(submission))),
    maxConcurrentActivityTaskExecutions: 1,
  });
  const working = Promise.all([checkpoints.run(), signing.run()]);
  return {
    stop: async () => {
      checkpoints.shutdown();
      signing.shutdown();
      await working;
    },
  };
}
