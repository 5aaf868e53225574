import {
  ActivityFailure,
  continueAsNew,
  defineQuery,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from "@temporalio/workflow";
import type { RescoreActivities, RescoreProgress } from "../activities/rescore.ts";
import { QUERY, SIGNAL } from "../domain/ids.ts";

interface RescoreInput {
  id: string;
}
const progress = defineQuery<RescoreProgress | null>(QUERY.progress);
const asked = defineSignal(SIGNAL.rescoreAsked);

/**
 * One rescore: pages until the end, then it waits as a row. Whoever wants it adopted writes that into the row and starts a run of the same id.
 * The row says how far it is and what people decided; a run that was stopped anywhere goes on from it.
 */
export async function rescore(input: RescoreInput): Promise<RescoreProgress> {
  let at: RescoreProgress | null = null;
  let isAsked = false;
  setHandler(progress, () => at);
  setHandler(asked, () => {
    isAsked = true;
  });
  const moved = (now: RescoreProgress): RescoreProgress => {
    at = now;
    setCurrentDetails(detailsOf(now));
    return now;
  };
  for (;;) {
    isAsked = false;
    let now = moved(await rows.beginRescore(input));
    while (now.status === "running") {
      now = moved(await pages(input));
      if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof rescore>(input);
    }
    if (now.status === "ready" && now.adopting) now = moved(await adopting.adoptRescore(input));
    if (!isAsked) return now;
  }
}

async function pages(input: RescoreInput): Promise<RescoreProgress> {
  try {
    return await scoring.scoreRescore(input);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    return rows.failRescore({ id: input.id, error: error.cause?.message ?? error.message });
  }
}

const detailsOf = ({ status, progressPct, counts, error }: RescoreProgress): string =>
  [
    `**${status}, ${progressPct} %**`,
    `${counts.scores} scores of ${counts.rounds} rounds, ${counts.refused} refused`,
    ...(error === null ? [] : [`**${error}**`]),
  ].join("\n\n");

const retry = { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m" } as const;
const rows = proxyActivities<RescoreActivities>({ startToCloseTimeout: "1m", heartbeatTimeout: "10s", retry });
const scoring = proxyActivities<RescoreActivities>({ startToCloseTimeout: "15m", heartbeatTimeout: "10s", retry });
const adopting = proxyActivities<RescoreActivities>({ startToCloseTimeout: "15m", heartbeatTimeout: "15s", retry });
