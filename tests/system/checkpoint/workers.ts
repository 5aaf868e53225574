import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import type { Duration } from "@temporalio/common";
import { type NativeConnection, Worker } from "@temporalio/worker";
import { pino } from "pino";
import { createBundleActivities } from "../../../activities/bundle.ts";
import { type CheckpointDeps, createCheckpointActivities } from "../../../activities/checkpoint.ts";
import { createDecisionActivities, type DecisionSettings } from "../../../activities/decision.ts";
import { createNoteActivities } from "../../../activities/note.ts";
import { createPayoutActivities, type Pool } from "../../../activities/payout.ts";
import { createSigningActivities, createSubmissionActivities } from "../../../activities/submission.ts";
import type { ChainPort } from "../../../chain/port.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import type { Database } from "../../../db/database.ts";
import { taskQueue } from "../../../domain/ids.ts";
import { toHex } from "../../../proofs/hash.ts";
import { heartbeating } from "../../../workers/heartbeat.ts";
import { noteSigner } from "../../../workers/note-signer.ts";

/** One node serves the competitions of all tests of a file. */
export const NODE = "test";
export const POOL = 1_000_000_007n; // divides by nothing
/** Signs submissions and log heads of all tests. */
export const submitter = (): Promise<KeyPairSigner> =>
  createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
const submitterKey = async (): Promise<string> => toHex(noteSigner(await submitter()).publicKey);
/** Where evidence bundles of a test's process go. */
export const EVIDENCE = join(tmpdir(), `almanac-evidence-${process.pid}`);
process.once("exit", () => rmSync(EVIDENCE, { recursive: true, force: true }));
export const quiet = pino({ level: process.env.TEST_LOG ?? "silent" });

export interface WorkerOptions {
  connection: NativeConnection;
  namespace: string;
  bundle: { codePath: string };
  db: Database;
  chain: ChainPort;
  /** approvesItself false: one approval by name, as on LOCAL with APPROVAL_POLICY=1 */
  deps?: Partial<CheckpointDeps> & { approvesItself?: boolean };
  decisions?: Partial<DecisionSettings>;
  pool?: Pool;
  /** workflows kept in memory; 0: a worker that is killed keeps no workflow waiting for it */
  cached?: number;
  /** how long a workflow waits for the worker that has it in memory, which may have been killed */
  stickyTimeout?: Duration;
  /** signatures at once; a node makes one at a time */
  signers?: number;
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
  deps: { approvesItself = true, ...deps } = {},
  decisions,
  pool = { mint: null, units: POOL },
  cached,
  stickyTimeout,
  signers = 1,
  around,
}: WorkerOptions) {
  const contract = { ranking: { key: "overall", direction: "desc" as const }, windows: [] };
  const seal = { crunch: "crunch", contract, computeProvider: "", dataProvider: "" };
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
    ...(cached === undefined ? {} : { maxCachedWorkflows: cached }),
    ...(stickyTimeout === undefined ? {} : { stickyQueueScheduleToStartTimeout: stickyTimeout }),
    activities: heartbeating(
      wrapped({
        ...createCheckpointActivities({
          db,
          log: quiet,
          recipients: localRegistry,
          publicUrl: "http://node.test",
          seal,
          ...deps,
        }),
        ...createSubmissionActivities(submission),
        ...createDecisionActivities({
          ...{ db, chain },
          decisions: {
            ...{ network: "LOCAL", crunch: "crunch", signed: false, approvers: [], objectionMs: 0 },
            approvalsNeeded: approvesItself ? 0 : 1,
            ...decisions,
          },
        }),
        ...createPayoutActivities({ ...submission, pool }),
        ...createBundleActivities({ db, log: quiet, folder: EVIDENCE, signer: await submitterKey(), versions: {} }),
      }),
    ),
  });
  const signing = await Worker.create({
    ...base,
    taskQueue: taskQueue("signing", NODE),
    activities: heartbeating(
      wrapped({
        ...createSigningActivities(submission),
        ...createNoteActivities({ db, log: quiet, signer: noteSigner(await submitter()) }),
      }),
    ),
    maxConcurrentActivityTaskExecutions: signers,
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
