/** Consecutive bad answers of one model. Only calls that were really made count. */
export interface Limits {
  /** Whether the next fan-out leaves the model out; each asking uses up one of the skips. */
  skip(): boolean;
  coolingDown(): boolean;
  success(): void;
  /** true: the limit is reached, disconnect */
  failure(): boolean;
  timeout(): boolean;
  reset(): void;
}

/** After n timeouts in a row the next ceil(n/2) fan-outs leave the model out. A limit of 0 never disconnects. */
export function createLimits(maxFailures: number, maxTimeouts: number): Limits {
  let failures = 0;
  let timeouts = 0;
  let skips = 0;
  const reset = () => {
    failures = 0;
    timeouts = 0;
    skips = 0;
  };
  return {
    skip() {
      if (skips === 0) return false;
      skips--;
      return true;
    },
    coolingDown: () => skips > 0,
    success: reset,
    failure() {
      failures++;
      return maxFailures > 0 && failures >= maxFailures;
    },
    timeout() {
      timeouts++;
      skips = Math.ceil(timeouts / 2);
      return maxTimeouts > 0 && timeouts >= maxTimeouts;
    },
    reset,
  };
}
