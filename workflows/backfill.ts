import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from "@temporalio/workflow";
import type { BackfillActivities, BackfillProgress } from "../activities/backfill.ts";
import { type BackfillCommand, isEnded } from "../domain/backfill.ts";
import { QUERY, siblingQueue, UPDATE } from "../domain/ids.ts";

interface BackfillInput {
  id: string;
}
type CommandUpdate = ReturnType<typeof defineUpdate<BackfillProgress, []>>;
const COMMANDS: Record<BackfillCommand, CommandUpdate> = {
  pause: defineUpdate(UPDATE.pause),
  resume: defineUpdate(UPDATE.resume),
  cancel: defineUpdate(UPDATE.cancel),
};
const progress = defineQuery<BackfillProgress | null>(QUERY.progress);

/** One backfill: pages until the end. The row says how far it is and what people decided; a run that was stopped anywhere goes on from it. */
export async function backfill(input: BackfillInput): Promise<BackfillProgress> {
  let at: BackfillProgress | null = null;
  const moved = (now: BackfillProgress): BackfillProgress => {
    at = now;
    setCurrentDetails(detailsOf(now));
    return now;
  };
  const inTurn = queue();
  const latest = (): BackfillProgress => at!; // a handler may have moved it while an activity ran
  for (const command of ["pause", "resume", "cancel"] as const)
    setHandler(COMMANDS[command], () => inTurn(async () => moved(await tell(input.id, command))));
  setHandler(progress, () => at);

  moved(await rows.beginBackfill(input));
  for (;;) {
    while (!isEnded(latest().status)) {
      if (latest().status === "paused") await condition(() => latest().status !== "paused");
      else moved(await page(input));
      if (workflowInfo().continueAsNewSuggested) {
        await condition(allHandlersFinished);
        await continueAsNew<typeof backfill>(input);
      }
    }
    await fileRest(input, latest());
    await condition(allHandlersFinished);
    if (isEnded(latest().status)) return ended(latest());
  }
}

/** One command after the other: of a pause and a resume that come together, the later one must win. */
function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const own = last.then(work);
    last = own.catch(() => undefined);
    return own;
  };
}

/** A refusal reaches whoever asked as it was said. */
async function tell(id: string, command: BackfillCommand): Promise<BackfillProgress> {
  try {
    return await rows.commandBackfill({ id, command });
  } catch (error) {
    throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
  }
}

/** Failed jobs end as failed runs, so that they are seen; `resume` starts the next run. */
function ended(at: BackfillProgress): BackfillProgress {
  if (at.status === "failed") throw ApplicationFailure.nonRetryable(at.error ?? "failed", "BackfillFailed");
  return at;
}

async function page(input: BackfillInput): Promise<BackfillProgress> {
  try {
    return await fetching().fetchBackfill(input);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    return rows.failBackfill({ id: input.id, error: error.cause?.message ?? error.message });
  }
}

/** A failed job keeps its reason, whatever the folder says. */
async function fileRest(input: BackfillInput, at: BackfillProgress): Promise<void> {
  if (at.status === "completed") return;
  try {
    await fetching().fileBackfill(input);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
  }
}

const detailsOf = (at: BackfillProgress): string =>
  [
    `**${at.status}, ${at.progressPct} %**`,
    `${at.recordsWritten} records in ${at.pagesFetched} pages`,
    ...(at.error === null ? [] : [`**${at.error}**`]),
  ].join("\n\n");

const rows = proxyActivities<BackfillActivities>({
  startToCloseTimeout: "30s",
  heartbeatTimeout: "10s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" },
});
const fetching = () =>
  proxyActivities<BackfillActivities>({
    taskQueue: siblingQueue(workflowInfo().taskQueue, "backfill"),
    startToCloseTimeout: "10m",
    heartbeatTimeout: "10s",
    retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m" },
  });
