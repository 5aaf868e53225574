import { type Client, ScheduleAlreadyRunning, type ScheduleOptions, ScheduleOverlapPolicy } from "@temporalio/client";

export interface Beat {
  scheduleId: string;
  workflowType: string;
  /** the server appends the time of each run */
  workflowId: string;
  taskQueue: string;
  everyMs: number;
  offsetMs?: number;
}

const CATCH_UP = "7 days";

/** A Schedule that starts a workflow type on a beat; one that is there already is brought up to date. */
export async function ensureSchedule(client: Client, beat: Beat): Promise<void> {
  const options: ScheduleOptions = {
    scheduleId: beat.scheduleId,
    spec: { intervals: [{ every: beat.everyMs, offset: beat.offsetMs ?? 0 }] },
    action: {
      type: "startWorkflow",
      workflowType: beat.workflowType,
      workflowId: beat.workflowId,
      taskQueue: beat.taskQueue,
      args: [],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
  };
  try {
    await client.schedule.create(options);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { spec, action, policies } = options;
    await client.schedule
      .getHandle(beat.scheduleId)
      .update((now) => ({ ...now, spec, action, policies: { ...now.policies, ...policies } }) as never);
  }
}
