import {
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setHandler,
  workflowInfo,
} from "@temporalio/workflow";
import type { InferActivities, ScoreTournamentActivities } from "../activities/tournament.ts";
import { SIGNAL, siblingQueue } from "../domain/ids.ts";

const truthPosted = defineSignal(SIGNAL.truthPosted);

/** One tournament round: ask about all features, score as truths are posted, end when windows have counted the scores. */
export async function tournamentRound(id: string): Promise<string> {
  let posted = 0;
  setHandler(truthPosted, () => {
    posted++;
  });
  await infer.inferTournament(id);
  for (;;) {
    const seen = posted; // a truth that comes while the others are scored is not overlooked
    if ((await score().scoreTournament(id)) !== "CLOSED") return score().finishTournament(id);
    await condition(() => posted > seen);
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof tournamentRound>(id);
  }
}

const RETRY = { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" } as const;

/** A round may have thousands of features; its deadline is in its row. */
const infer = proxyActivities<InferActivities>({
  startToCloseTimeout: "1 day",
  heartbeatTimeout: "10s",
  retry: RETRY,
});
const score = () =>
  proxyActivities<ScoreTournamentActivities>({
    taskQueue: siblingQueue(workflowInfo().taskQueue, "score"),
    startToCloseTimeout: "30m",
    heartbeatTimeout: "10s",
    retry: RETRY,
  });
