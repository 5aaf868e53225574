import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import type { Logger } from "pino";
import { checkpointsWithoutHistory, lastPeriodEnd, openCheckpoints, storeHistory } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { firstWindowStart } from "../db/period-snapshots.ts";
import { checkpointId, checkpointWorkflowId, SIGNAL, WORKFLOW } from "../domain/ids.ts";
import { type Period, type PeriodClock, periodAt, periodsBetween } from "../domain/period.ts";
import { BY_BUSINESS_ID, SEARCH } from "./start.ts";

export interface CheckpointRunsDeps {
  db: Database;
  /** of the checkpoints' namespace */
  client: Client;
  competition: string;
  /** where workers of the checkpoint role listen */
  taskQueue: string;
  clock: PeriodClock;
  log: Logger;
  now?: () => number;
}

/** How much one pass takes on; the next pass takes the rest. */
const PASS = 50;
const STATE = defineSearchAttributeKey("CheckpointState", SearchAttributeType.KEYWORD);

/** The rows say what is unfinished; a workflow of that id is started, which is a no-op where one still runs. */
export function createCheckpointRunActivities(deps: CheckpointRunsDeps) {
  const told = new Set<string>();
  return {
    /** One workflow for every period that has ended since the first scoring window, and for every checkpoint that is not PAID or VOID. */
    async ensureCheckpoints(): Promise<{ open: number; periods: number }> {
      const open = await openCheckpoints(deps.db, PASS);
      for (const row of open)
        await start(deps, { startMs: row.period_start.getTime(), endMs: row.period_end.getTime() });
      await tellOfSettings(deps, open, told);
      const periods = await unsealedPeriods(deps);
      for (const period of periods) await start(deps, period);
      return { open: open.length, periods: periods.length };
    },

    /** Keeps the full history of closed checkpoint workflows beside their rows: Temporal forgets it after the retention. */
    async storeClosedHistories(): Promise<number> {
      let stored = 0;
      for (const row of await checkpointsWithoutHistory(deps.db, PASS)) {
        const history = await closedHistory(
          deps.client,
          checkpointWorkflowId(deps.competition, row.period_end.getTime()),
        );
        if (history === "running") continue;
        await storeHistory(deps.db, row.id, history);
        stored++;
      }
      return stored;
    },
  };
}
export type CheckpointRunActivities = ReturnType<typeof createCheckpointRunActivities>;

async function unsealedPeriods({ db, clock, now = Date.now }: CheckpointRunsDeps): Promise<Period[]> {
  const began = await firstWindowStart(db);
  if (began === null) return [];
  const fromMs = (await lastPeriodEnd(db))?.getTime() ?? periodAt(clock, began.getTime()).startMs;
  return periodsBetween(clock, fromMs, now(), PASS);
}

/** Once in the life of this process each open run reads the people who decide anew: APPROVERS may be others than when it began. */
async function tellOfSettings(
  { client, competition }: CheckpointRunsDeps,
  open: readonly { id: string; period_end: Date }[],
  told: Set<string>,
): Promise<void> {
  for (const { id, period_end } of open) {
    if (told.has(id)) continue;
    told.add(id);
    const run = client.workflow.getHandle(checkpointWorkflowId(competition, period_end.getTime()));
    await run.signal(SIGNAL.settingsChanged).catch(ignoreEnded);
  }
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}

/**
 * Both callers have just read that the work is unfinished. Where a run of that id nevertheless ended well (the database is an older copy than
 * Temporal's), the row wins and a new run is started.
 */
async function start({ client, competition, taskQueue, log }: CheckpointRunsDeps, period: Period): Promise<void> {
  const workflowId = checkpointWorkflowId(competition, period.endMs);
  const options = {
    ...{ workflowId, taskQueue, args: [period] },
    staticSummary: `${checkpointId(period.endMs)}: ${new Date(period.startMs).toISOString()} to ${new Date(period.endMs).toISOString()}`,
    typedSearchAttributes: [
      { key: SEARCH.competition, value: competition },
      { key: STATE, value: "SEALING" },
    ],
  };
  try {
    await client.workflow.start(WORKFLOW.emissionCheckpoint, { ...options, ...BY_BUSINESS_ID });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    log.warn({ workflowId }, "the checkpoint is open although its workflow ended: it runs again");
    await client.workflow.start(WORKFLOW.emissionCheckpoint, {
      ...options,
      ...BY_BUSINESS_ID,
      workflowIdReusePolicy: "ALLOW_DUPLICATE",
    });
  }
}

interface StoredHistory {
  workflowId: string;
  /** newest first; empty where the workflow was deleted before its history could be stored */
  runs: { runId: string; history: unknown }[];
}

async function closedHistory({ workflow }: Client, workflowId: string): Promise<StoredHistory | "running"> {
  try {
    const latest = await workflow.getHandle(workflowId).describe();
    if (latest.status.name === "RUNNING") return "running";
    const runIds = new Set([latest.runId]); // visibility may lag; the latest run is certain
    for await (const run of workflow.list({ query: `WorkflowId = "${workflowId}"` })) runIds.add(run.runId);
    const runs = await Promise.all(
      [...runIds].map(async (runId) => ({ runId, history: await historyOf(workflow, workflowId, runId) })),
    );
    return { workflowId, runs };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { workflowId, runs: [] };
    throw error;
  }
}

const historyOf = async (workflow: Client["workflow"], workflowId: string, runId: string): Promise<unknown> =>
  JSON.parse(historyToJSON(await workflow.getHandle(workflowId, runId).fetchHistory()));
