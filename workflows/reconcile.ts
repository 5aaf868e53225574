import { patched, proxyActivities } from "@temporalio/workflow";
import type { BackfillRunActivities } from "../activities/backfill-runs.ts";
import type { ReconcileActivities } from "../activities/reconcile.ts";
import type { RescoreRunActivities } from "../activities/rescore-runs.ts";

/** Starts whatever the rows say is unfinished; runs on boot and every two minutes. */
export async function reconcile(): Promise<{ missed: number; rounds: number; windows: number }> {
  const missed = await rows.recordMissedRounds();
  const rounds = await rows.resumeRounds();
  const windows = await rows.startDueWindows();
  if (patched("backfill jobs")) await rows.resumeBackfills();
  if (patched("rescore jobs")) await rows.resumeRescores();
  return { missed, rounds, windows };
}

/** The Schedule's beat: opens the scoring windows that have ended and starts each under its own id. */
export async function startWindows(): Promise<number> {
  return rows.startDueWindows();
}

const rows = proxyActivities<ReconcileActivities & BackfillRunActivities & RescoreRunActivities>({
  startToCloseTimeout: "2m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" },
});
