import { proxyActivities } from "@temporalio/workflow";
import type { ReconcileActivities } from "../activities/reconcile.ts";

/** Starts whatever the rows say is unfinished; runs on boot and every two minutes. */
export async function reconcile(): Promise<{ missed: number; rounds: number; windows: number }> {
  const missed = await rows.recordMissedRounds();
  const rounds = await rows.resumeRounds();
  const windows = await rows.startDueWindows();
  return { missed, rounds, windows };
}

/** The Schedule's beat: opens the scoring windows that have ended and starts each under its own id. */
export async function startWindows(): Promise<number> {
  return rows.startDueWindows();
}

const rows = proxyActivities<ReconcileActivities>({
  startToCloseTimeout: "2m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" },
});
