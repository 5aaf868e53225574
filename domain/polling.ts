const FIRST_MS = 2_000;
const BACKOFF = 2;
const LONGEST_MS = 3_600_000;

/**
 * How long to wait before the next look, after `idle` looks in a row at which nothing had changed: 2 s, then twice as long each time, an hour at
 * most. Who waits for somebody else's claims may wait for months, and asks 24 times a day.
 */
export const pollMs = (idle: number, longestMs: number = LONGEST_MS): number =>
  Math.min(longestMs, LONGEST_MS, FIRST_MS * BACKOFF ** Math.min(idle, 30));

/** "2 s", "17 min", "1 h": for people who read along. */
export function spell(ms: number): string {
  const [minute, hour] = [60_000, 3_600_000];
  if (ms < 2 * minute) return `${Math.round(ms / 1_000)} s`;
  return ms < hour ? `${Math.round(ms / minute)} min` : `${Math.round(ms / hour)} h`;
}
