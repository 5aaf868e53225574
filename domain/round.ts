/** A round's life; what is not listed is refused (compare-and-set in db/rounds.ts). */
export const ROUND_NEXT = {
  COLLECTING: ["WAITING", "MISSED", "VOIDED"],
  WAITING: ["RESOLVED", "UNRESOLVABLE", "VOIDED"],
  RESOLVED: ["SCORED", "VOIDED"],
  SCORED: ["VOIDED"],
  MISSED: [],
  UNRESOLVABLE: ["VOIDED"],
  VOIDED: [],
} as const satisfies Record<string, readonly string[]>;

export type RoundStatus = keyof typeof ROUND_NEXT;
export const isVoidable = (status: RoundStatus): boolean =>
  (ROUND_NEXT[status] as readonly RoundStatus[]).includes("VOIDED");

export interface CollectCounts {
  called: number;
  answered: number;
  failed: number;
  timed_out: number;
  absent: number;
}
export const NO_COUNTS: CollectCounts = { called: 0, answered: 0, failed: 0, timed_out: 0, absent: 0 };

/** What a round's workflow is started with: ids and times only (claim check). */
export interface RoundInput {
  roundId: string;
  dueMs: number;
  /** models may answer until then, epoch ms */
  deadlineMs: number;
  resolveAtMs: number;
}

/** A local activity must be over within this, its own retries included: beyond it, a normal one with heartbeat. */
export const LOCAL_COLLECT_LIMIT_MS = 5_000;
/** What storing a round may take beside the models' deadline. */
export const STORE_ALLOWANCE_MS = 2_000;
/** A round's models never answer after its truth is known. */
export const roundDeadline = (dueMs: number, timeoutMs: number, resolveAtMs: number): number =>
  Math.min(dueMs + timeoutMs, Math.max(resolveAtMs, dueMs + 1));
