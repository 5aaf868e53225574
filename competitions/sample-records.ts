import type { MarketRecord, ResolveRequest, ScheduledScope } from "./competition.ts";

/** When the round of a dry run is due, epoch ms. */
export const SAMPLE_DUE_MS = Date.UTC(2026, 0, 5);
const WINDOW = 120;
/** Bars between the due and the resolve time at most; longer horizons get longer bars. */
const MOST_BARS = 300;
const HOUR_MS = 3_600_000;

/** A random walk around 100 that is known up to the resolve time; the seed gives another one. */
export function sampleRecords(
  { scope, resolveAfterMs }: ScheduledScope,
  granularityMs: number,
  seed: number,
): MarketRecord[] {
  const step = Math.max(granularityMs, Math.ceil(resolveAfterMs / MOST_BARS));
  const bars = WINDOW + Math.ceil(resolveAfterMs / step) + 2;
  let [state, close] = [seed * 7_919 + 17, 100];
  return Array.from({ length: bars }, (_, i) => {
    state = (state * 48_271) % 2_147_483_647;
    const open = close;
    close *= 1 + (state / 2_147_483_647 - 0.5) / 100;
    const tsEvent = SAMPLE_DUE_MS + (i - WINDOW) * step;
    const values = { open, high: Math.max(open, close), low: Math.min(open, close), close, price: close, volume: 1 };
    return { subject: scope.subject, tsEvent, tsFinal: tsEvent + step, values, segment: "" };
  });
}

/** Everything is known, a publish delay is long over. */
export function sampleRequest(scheduled: ScheduledScope, granularityMs: number, seed: number): ResolveRequest {
  const records = sampleRecords(scheduled, granularityMs, seed);
  const step = records[0]!.tsFinal - records[0]!.tsEvent;
  const known = records.at(-1)!.tsFinal + HOUR_MS;
  return {
    scope: scheduled.scope,
    dueMs: SAMPLE_DUE_MS,
    resolveAtMs: SAMPLE_DUE_MS + scheduled.resolveAfterMs,
    granularityMs: step,
    knownUntilMs: known,
    deliveredUntilMs: known,
    records,
    majorityIsEnough: true,
  };
}
