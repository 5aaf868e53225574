import { defaultPayloadConverter } from "@temporalio/common";
import type { temporal as proto } from "@temporalio/proto";
import type { Temporal } from "./world.ts";

type Event = proto.api.history.v1.IHistoryEvent;

/** The histories of all runs of a workflow, first run first. */
export async function runsOfWorkflow({ client }: Temporal, workflowId: string): Promise<Event[][]> {
  const runs: Event[][] = [];
  let runId: string | null | undefined = (await client.workflow.getHandle(workflowId).describe()).runId;
  while (runId) {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    runs.unshift(events ?? []);
    runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || null;
  }
  return runs;
}

/** What the Temporal UI shows beside timers and activities, in order. */
export const summaries = (events: readonly Event[]): string[] =>
  events.flatMap(({ userMetadata }) =>
    userMetadata?.summary ? [defaultPayloadConverter.fromPayload<string>(userMetadata.summary)] : [],
  );
