import { proxyActivities } from "@temporalio/workflow";
import type { WindowActivities, WindowSpan } from "../activities/window.ts";

/** One scoring window: waits for its rounds, then snapshots, leaderboard and Merkle cycle in one transaction. */
export async function scoringWindow(span: WindowSpan): Promise<{ snapshots: number; scores: number }> {
  await wait.awaitRounds(span);
  return build.buildWindow(span);
}

const wait = proxyActivities<WindowActivities>({
  startToCloseTimeout: "30s",
  heartbeatTimeout: "5s",
  retry: { initialInterval: "1s", backoffCoefficient: 1.2, maximumInterval: "10s" },
});
const build = proxyActivities<WindowActivities>({
  startToCloseTimeout: "5m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m" },
});
