import { proxyActivities } from "@temporalio/workflow";
import type { RetentionActivities, RetentionCounts } from "../activities/retention.ts";

/** More than this waits for the next hour. */
const MOST_PASSES = 60;

/** The Schedule's beat: lets go of what is older than its time to live and needed by nothing, a bounded pass at a time. */
export async function retention(): Promise<RetentionCounts> {
  const total: RetentionCounts = {};
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const { gone, more } = await rows.prune();
    for (const [what, count] of Object.entries(gone)) total[what] = (total[what] ?? 0) + count;
    if (!more) break;
  }
  return total;
}

const rows = proxyActivities<RetentionActivities>({
  startToCloseTimeout: "5m",
  heartbeatTimeout: "15s",
  retry: { initialInterval: "5s", backoffCoefficient: 2, maximumInterval: "5m", maximumAttempts: 10 },
});
