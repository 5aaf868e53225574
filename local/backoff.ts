const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const STEADY_AFTER_MS = 60_000;

/** Delay before the next start: doubles with every death, starts anew after a minute of life. Milliseconds. */
export function nextDelay(previousMs: number, uptimeMs: number): number {
  if (previousMs === 0 || uptimeMs >= STEADY_AFTER_MS) return FIRST_DELAY_MS;
  return Math.min(previousMs * 2, LONGEST_DELAY_MS);
}
