import type { WorkflowInterceptorsFactory } from "@temporalio/workflow";
import { TIMES_FASTER } from "./timer-scale.ts";

/** Bundled with the workflows by a test that has months to wait: their timers run a million times as fast, nothing else changes. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    { startTimer: (input, next) => next({ ...input, durationMs: Math.max(1, input.durationMs / TIMES_FASTER) }) },
  ],
});
