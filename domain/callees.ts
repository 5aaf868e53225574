import type { Callees } from "../competitions/competition.ts";

interface Placed {
  modelId: string;
  rank: number;
}

/**
 * Whom a round calls; null: everybody. `number` counts the due times of its scope (schedule.ts), so that any process comes to the same
 * answer. Without a board nobody is known to be better, and everybody is called. Models that share the n-th rank are called together:
 * nothing but their names would tell them apart.
 */
export function calleesOf(
  rule: Callees | undefined,
  number: number,
  board: readonly Placed[] | null,
): readonly string[] | null {
  if (rule === undefined || rule.kind === "all") return null;
  if (rule.kind === "list") return [...new Set(rule.models)];
  const k = rule.everybodyEach;
  if (board === null || board.length === 0 || number % k === 0) return null;
  const last = board.map((row) => row.rank).sort((a, b) => a - b)[rule.n - 1] ?? Number.POSITIVE_INFINITY;
  return board.filter((row) => row.rank <= last).map((row) => row.modelId);
}
