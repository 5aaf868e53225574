/** Due times are multiples of `everyMs` on the clock plus a phase: the same before and after a restart. */
export interface Cadence {
  everyMs: number;
  phaseMs?: number;
}

/** The latest due time at or before `nowMs`. */
export function lastDue(cadence: Cadence, nowMs: number): number {
  const phase = cadence.phaseMs ?? 0;
  return Math.floor((nowMs - phase) / cadence.everyMs) * cadence.everyMs + phase;
}

/** Due times in (`afterMs`, `untilMs`], ascending, at most `limit` of them, the oldest first. */
export function dueTimes(
  cadence: Cadence,
  afterMs: number,
  untilMs: number,
  limit = Number.POSITIVE_INFINITY,
): number[] {
  const due: number[] = [];
  for (let at = lastDue(cadence, afterMs) + cadence.everyMs; at <= untilMs && due.length < limit; at += cadence.everyMs)
    due.push(at);
  return due;
}
