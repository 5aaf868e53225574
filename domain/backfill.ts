export type BackfillStatus = "pending" | "running" | "paused" | "completed" | "failed" | "cancelled";

/** One instance of the work per stream: these statuses hold it. */
export const OPEN_BACKFILL: readonly BackfillStatus[] = ["pending", "running", "paused"];

export const BACKFILL_NEXT: Readonly<Record<BackfillStatus, readonly BackfillStatus[]>> = {
  pending: ["running", "paused", "failed", "cancelled"],
  running: ["paused", "completed", "failed", "cancelled"],
  paused: ["running", "cancelled"],
  failed: ["running", "cancelled"],
  completed: [],
  cancelled: [],
};

/** What a person may ask of a job. */
export type BackfillCommand = "pause" | "resume" | "cancel";
export const COMMAND_TARGET: Readonly<Record<BackfillCommand, BackfillStatus>> = {
  pause: "paused",
  resume: "running",
  cancel: "cancelled",
};

/** Statuses in which nothing is left to do until somebody says so. */
export const isAtRest = (status: BackfillStatus): boolean => status !== "pending" && status !== "running";
/** Statuses that end the workflow; a failed job may be resumed, by a run of its own. */
export const isEnded = (status: BackfillStatus): boolean => isAtRest(status) && status !== "paused";

/** Why a job cannot be told so now; null: it can. Asking for what it is already is no mistake. */
export function refusedCommand(command: BackfillCommand, status: BackfillStatus): string | null {
  const to = COMMAND_TARGET[command];
  if (to === status || (command === "resume" && status === "pending") || BACKFILL_NEXT[status].includes(to))
    return null;
  return `a job that is ${status} cannot be ${to === "running" ? "resumed" : to}`;
}

/** Share of [start, end) that the cursor has passed, percent with one decimal; rounded down, so that 100 means done. */
export function progressPct(job: { startMs: number; endMs: number; cursorMs: number | null }): number {
  const passed = (job.cursorMs ?? job.startMs) - job.startMs;
  const share = Math.min(1, Math.max(0, passed / (job.endMs - job.startMs)));
  return Math.floor(share * 1_000) / 10;
}

/**
 * Where the next page begins, epoch ms. Candles of one subject never share an instant. Trades may, on both sides of a page: the
 * last instant is asked again. Null: a whole page lies in the first instant, so asking again would stand still; ask for more.
 */
export function nextCursor(page: { cursorMs: number; lastMs: number; sharesInstants: boolean }): number | null {
  if (!page.sharesInstants) return page.lastMs + 1;
  return page.lastMs > page.cursorMs ? page.lastMs : null;
}
