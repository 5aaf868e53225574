import { proxyActivities, proxyLocalActivities, sleep, workflowInfo } from "@temporalio/workflow";
import type { CollectResult } from "../activities/collect.ts";
import type { CollectActivities, ScoreActivities } from "../activities/round.ts";
import { siblingQueue } from "../domain/ids.ts";
import { LOCAL_COLLECT_LIMIT_MS, type RoundInput, STORE_ALLOWANCE_MS } from "../domain/round.ts";

/** One prediction round: collect, wait for the horizon, learn the truth, score. The row of each step decides what is still to do. */
export async function predictionRound(input: RoundInput): Promise<string> {
  const collected = await collect(input);
  if (collected.status === "MISSED") return "MISSED";
  await sleep(Math.max(0, input.resolveAtMs - Date.now()));
  await truth().resolveTruth(input.roundId);
  return score().scoreRound(input.roundId);
}

/** Local where models' deadline and storing together are short; else a normal activity, which can be seen and cancelled. */
function collect(input: RoundInput): Promise<CollectResult> {
  const lastsMs = Math.max(0, input.deadlineMs - input.dueMs) + STORE_ALLOWANCE_MS;
  const startToCloseTimeout = lastsMs;
  if (lastsMs <= LOCAL_COLLECT_LIMIT_MS)
    return proxyLocalActivities<CollectActivities>({ startToCloseTimeout, retry: COLLECT_RETRY }).collect(input);
  return proxyActivities<CollectActivities>({
    startToCloseTimeout,
    heartbeatTimeout: "5s",
    retry: COLLECT_RETRY,
  }).collect(input);
}

/** Without end: a round past its deadline is stored as MISSED by the activity itself. */
const COLLECT_RETRY = { initialInterval: "50ms", backoffCoefficient: 2, maximumInterval: "10s" } as const;

const scoreQueue = (): string => siblingQueue(workflowInfo().taskQueue, "score");

const truth = () =>
  proxyActivities<ScoreActivities>({
    taskQueue: scoreQueue(),
    startToCloseTimeout: "30s",
    heartbeatTimeout: "5s",
    retry: { initialInterval: "1s", backoffCoefficient: 1.5, maximumInterval: "1m" },
  });
const score = () =>
  proxyActivities<ScoreActivities>({
    taskQueue: scoreQueue(),
    startToCloseTimeout: "30s",
    heartbeatTimeout: "5s",
    retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m" },
  });
