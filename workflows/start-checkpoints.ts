import { proxyActivities } from "@temporalio/workflow";
import type { CheckpointRunActivities } from "../activities/checkpoint-runs.ts";

/** Starts what the rows and the clock say is unfinished, and keeps the histories of what is done; on boot, at each period's end, every two minutes. */
export async function startCheckpoints(): Promise<{ open: number; periods: number; histories: number }> {
  const started = await runs.ensureCheckpoints();
  const histories = await runs.storeClosedHistories();
  return { ...started, histories };
}

const runs = proxyActivities<CheckpointRunActivities>({
  startToCloseTimeout: "2m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" },
});
