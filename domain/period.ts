/** Half-open [startMs, endMs), epoch ms. */
export interface Period {
  startMs: number;
  endMs: number;
}

/** The clock of checkpoints: a boundary at the anchor and every interval before and after it. */
export interface PeriodClock {
  anchorMs: number;
  intervalMs: number;
}

const boundaryAtOrBefore = ({ anchorMs, intervalMs }: PeriodClock, ms: number): number =>
  anchorMs + Math.floor((ms - anchorMs) / intervalMs) * intervalMs;

/** The period that `ms` lies in. */
export function periodAt(clock: PeriodClock, ms: number): Period {
  const startMs = boundaryAtOrBefore(clock, ms);
  return { startMs, endMs: startMs + clock.intervalMs };
}

/** The last period that has ended at `nowMs`. */
export const periodEnding = (clock: PeriodClock, nowMs: number): Period =>
  periodAt(clock, boundaryAtOrBefore(clock, nowMs) - 1);

/**
 * Every period from `fromMs` that has ended at `nowMs`, oldest first, at most `limit`. The first begins exactly at `fromMs`, so that
 * after a change of the interval (a new grid) there is neither a gap nor an overlap, only one shorter period.
 */
export function periodsBetween(
  clock: PeriodClock,
  fromMs: number,
  nowMs: number,
  limit = Number.POSITIVE_INFINITY,
): Period[] {
  const periods: Period[] = [];
  let startMs = fromMs;
  while (periods.length < limit) {
    const endMs = periodAt(clock, startMs).endMs;
    if (endMs > nowMs) break;
    periods.push({ startMs, endMs });
    startMs = endMs;
  }
  return periods;
}
