import { z } from "zod";
import type { MarketRecord, Resolution, ResolveRequest } from "./competition.ts";

export const returnTruth = z.object({
  entry_price: z.number(),
  resolved_price: z.number(),
  /** (resolved − entry) / entry, a plain ratio */
  profit: z.number(),
});
export type ReturnTruth = z.output<typeof returnTruth>;

/** The last price may be at most this share of the horizon older than the instant it stands for. */
const STALENESS_FRACTION = 0.2;

const lastFinalAt = (records: readonly MarketRecord[], instantMs: number): MarketRecord | undefined =>
  records.findLast((r) => r.tsFinal <= instantMs);
const price = (record: MarketRecord): number => record.values.close ?? record.values.price ?? Number.NaN;

/** The return from the last close at or before the due time to the last close at or before the resolve time. */
export function closeToClose(request: ResolveRequest): Resolution<ReturnTruth> {
  const { dueMs, resolveAtMs, knownUntilMs, records } = request;
  if (knownUntilMs < resolveAtMs) return { wait: `the closing record is not final: known until ${iso(knownUntilMs)}` };
  const entry = lastFinalAt(records, dueMs);
  const exit = lastFinalAt(records, resolveAtMs);
  if (!entry || !exit) return { unresolvable: `no ${entry ? "closing" : "opening"} price was ever recorded` };
  const tolerance = Math.max(STALENESS_FRACTION * (resolveAtMs - dueMs), request.granularityMs);
  const stale = [
    { what: "opening", age: dueMs - entry.tsFinal },
    { what: "closing", age: resolveAtMs - exit.tsFinal },
  ].find(({ age }) => age > tolerance);
  if (stale) return { unresolvable: `the ${stale.what} price was ${stale.age} ms old, more than ${tolerance} ms` };
  if (entry.segment !== exit.segment) return { unresolvable: "the series broke in between (the replay began anew)" };
  const entryPrice = price(entry);
  const resolvedPrice = price(exit);
  if (!(entryPrice > 0 && resolvedPrice > 0))
    return { unresolvable: `prices must be positive: ${entryPrice} and ${resolvedPrice}` };
  return {
    resolved: {
      entry_price: entryPrice,
      resolved_price: resolvedPrice,
      profit: (resolvedPrice - entryPrice) / entryPrice,
    },
    evidence: { entry: evidenceOf(entry), exit: evidenceOf(exit) },
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const evidenceOf = (r: MarketRecord) => ({
  subject: r.subject,
  ts_event: iso(r.tsEvent),
  ts_final: iso(r.tsFinal),
  price: price(r),
});
