import type { Report } from "./report.ts";

/** Below this a difference is the network's, not a clock's. */
const WORTH_TELLING_MS = 1_000;

/** What we know of the source's clock. */
export interface SourceClock {
  /** theirs minus ours, ms; 0 until measured */
  readonly skewMs: number;
  /** the source's time, epoch ms */
  now(): number;
  /** one measurement: the time a server wrote into an answer, between our two times; `resolutionMs` is what it rounds to (down) */
  observe(serverMs: number, sentMs: number, receivedMs: number, resolutionMs: number): void;
}

/**
 * Measures by the midpoint of a request, as NTP does; an error of half a round trip and half the resolution remains, and what
 * lies within that is no skew. A change of a second or more is reported.
 */
export function sourceClock(report: Report, now: () => number = Date.now): SourceClock {
  let skewMs = 0;
  let toldMs = 0;
  return {
    get skewMs() {
      return skewMs;
    },
    now: () => now() + skewMs,
    observe: (serverMs, sentMs, receivedMs, resolutionMs) => {
      const error = (receivedMs - sentMs + resolutionMs) / 2;
      const measured = serverMs + resolutionMs / 2 - (sentMs + receivedMs) / 2;
      if (Math.abs(measured - skewMs) <= error) return;
      skewMs = Math.abs(measured) <= error ? 0 : Math.round(measured);
      if (Math.abs(skewMs - toldMs) < WORTH_TELLING_MS) return;
      toldMs = skewMs;
      const side = skewMs > 0 ? "ahead of" : "behind";
      report({ kind: "skew", ms: skewMs, detail: `the source's clock is ${Math.abs(skewMs)} ms ${side} ours` });
    },
  };
}
