/** Whose rules count: absent, ours; else those of the public Python client, faults included. */
export type Compat = "model-runner-client";

/** Consecutive bad answers of one model. Only calls that were really made count. */
export interface Limits {
  /** Whether the next fan-out leaves the model out; each asking uses up one of the skips. */
  skip(): boolean;
  coolingDown(): boolean;
  success(): void;
  /** true: the limit is reached, disconnect */
  failure(): boolean;
  timeout(): boolean;
  /** A skip has happened. Counts under `compat` only, where it is one more timeout. */
  skipped(): boolean;
  /** Whether the runner's health should be asked, now that a call has timed out. */
  probeDue(): boolean;
  /** timeouts in a row */
  timeouts(): number;
  reset(): void;
}

const PROBE_SHARE = 0.2;
const restFor = (timeouts: number): number => Math.ceil(timeouts / 2);

/** After n timeouts in a row the next ceil(n/2) fan-outs leave the model out. A limit of 0 never disconnects. */
export function createLimits(maxFailures: number, maxTimeouts: number, compat?: Compat): Limits {
  const limits = compat ? createPeerLimits : createOwnLimits;
  return limits(maxFailures, maxTimeouts, Math.max(1, Math.floor(maxTimeouts * PROBE_SHARE)));
}

function createOwnLimits(maxFailures: number, maxTimeouts: number, probeEvery: number): Limits {
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
      skips = restFor(timeouts);
      return maxTimeouts > 0 && timeouts >= maxTimeouts;
    },
    skipped: () => false,
    probeDue: () => timeouts > 0 && timeouts % probeEvery === 0,
    timeouts: () => timeouts,
    reset,
  };
}

const CHANCE = -1;

/**
 * The public client's counting: limits are exceeded, not reached; a skip counts as a timeout and so lengthens the next
 * rest; health is asked by the number before the timeout at hand, and an unhealthy one is not counted (the caller's part).
 */
function createPeerLimits(maxFailures: number, maxTimeouts: number, probeEvery: number): Limits {
  let failures = 0;
  let timeouts = 0;
  let left = 0;
  const count = () => {
    timeouts++;
    return maxTimeouts > 0 && timeouts > maxTimeouts;
  };
  return {
    skip() {
      if (left === CHANCE && timeouts > 0) left = restFor(timeouts);
      else if (left === 0) left = CHANCE;
      if (left <= 0) return false;
      left--;
      return true;
    },
    coolingDown: () => left > 0 || (left === CHANCE && timeouts > 0),
    success() {
      failures = 0;
      timeouts = 0;
    },
    failure() {
      failures++;
      return maxFailures > 0 && failures > maxFailures;
    },
    timeout: count,
    skipped: count,
    probeDue: () => timeouts > 0 && timeouts % probeEvery === 0,
    timeouts: () => timeouts,
    reset() {
      failures = 0;
      timeouts = 0;
      left = 0;
    },
  };
}
