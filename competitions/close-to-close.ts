import { z } from "zod";
import { agreedReturn } from "../domain/agreement.ts";
import { priceOf } from "../domain/price.ts";
import type { MarketRecord, Resolution, ResolveRequest, SourceRecords } from "./competition.ts";

export const returnTruth = z.object({
  entry_price: z.number(),
  resolved_price: z.number(),
  /** (resolved − entry) / entry, a plain ratio */
  profit: z.number(),
});
export type ReturnTruth = z.output<typeof returnTruth>;

const STALENESS_FRACTION = 0.2;
const MAX_DEVIATION = 0.005;

/** What one source has for the round: both records, or why not (yet). */
type Pair = { entry: MarketRecord; exit: MarketRecord };
type View = Pair | { wait: string } | { unresolvable: string };

const hasPair = (view: View): view is Pair => "entry" in view;
const price = (record: MarketRecord): number => priceOf(record.values) ?? Number.NaN;

/**
 * The return from the last close at or before the due time to the last close at or before the resolve time. With several sources:
 * the median of those that agree, which must be more than half of them.
 */
export function closeToClose(request: ResolveRequest): Resolution<ReturnTruth> {
  const first: SourceRecords = { ...request, source: request.source ?? "feed" };
  const sources = [first, ...(request.others ?? [])];
  const views = sources.map((source) => ({ source: source.source, view: viewOf(source, request) }));
  if (sources.length === 1) {
    const { view, source } = views[0]!;
    return hasPair(view) ? resolvedOf(price(view.entry), price(view.exit), evidenceOf(source, view)) : view;
  }
  return agreementOf(views, request);
}

function agreementOf(
  views: readonly { source: string; view: View }[],
  request: ResolveRequest,
): Resolution<ReturnTruth> {
  const missing = views.flatMap(({ source, view }) => (hasPair(view) ? [] : [{ source, view }]));
  const reasons = missing.map(({ source, view }) => `${source}: ${"wait" in view ? view.wait : view.unresolvable}`);
  const usable = views.flatMap(({ source, view }) => (hasPair(view) ? [{ source, pair: view }] : []));
  const isWaiting = missing.some(({ view }) => "wait" in view);
  const hasMajority = usable.length * 2 > views.length;
  if (isWaiting && !(hasMajority && request.majorityIsEnough)) return { wait: reasons.join("; ") };
  if (!hasMajority)
    return { unresolvable: `${usable.length} of ${views.length} sources have both prices: ${reasons.join("; ")}` };
  const quotes = usable.map(({ source, pair }) => ({ source, entry: price(pair.entry), exit: price(pair.exit) }));
  const agreed = agreedReturn(quotes, views.length, request.maxDeviation ?? MAX_DEVIATION);
  if ("disagreement" in agreed) return { unresolvable: `the sources disagree: ${agreed.disagreement}` };
  return resolvedOf(agreed.entry, agreed.exit, {
    sources: usable.map(({ source, pair }) => evidenceOf(source, pair)),
    outliers: agreed.outliers,
    missing: reasons,
  });
}

function viewOf(source: SourceRecords, request: ResolveRequest): View {
  const { dueMs, resolveAtMs } = request;
  const delivered = source.deliveredUntilMs ?? source.knownUntilMs;
  if (delivered < resolveAtMs) return { wait: `the closing record is not final: known until ${iso(delivered)}` };
  const entry = lastFinalAt(source.records, dueMs);
  const exit = lastFinalAt(source.records, resolveAtMs);
  const hole = holeBefore(source, entry, dueMs) ?? holeBefore(source, exit, resolveAtMs);
  if (hole) return { wait: `the feed's hole from ${iso(hole.fromMs)} to ${iso(hole.untilMs)} is still being filled` };
  if (!entry || !exit) return { unresolvable: `no ${entry ? "closing" : "opening"} price was ever recorded` };
  const refusal = staleness(entry, exit, request) ?? unusable("opening", entry) ?? unusable("closing", exit);
  if (refusal) return { unresolvable: refusal };
  if (entry.segment !== exit.segment) return { unresolvable: "the series broke in between (the replay began anew)" };
  return { entry, exit };
}

const lastFinalAt = (records: readonly MarketRecord[], instantMs: number): MarketRecord | undefined =>
  records.findLast((r) => r.tsFinal <= instantMs);

/** A hole out of which a record could still come that is newer than the one found, and final at the instant. */
function holeBefore({ openGaps }: SourceRecords, found: MarketRecord | undefined, instantMs: number) {
  const lengthMs = found ? found.tsFinal - found.tsEvent : 0;
  return openGaps?.find((g) => g.fromMs + lengthMs <= instantMs && g.untilMs > (found?.tsEvent ?? 0));
}

function staleness(entry: MarketRecord, exit: MarketRecord, request: ResolveRequest): string | undefined {
  const { dueMs, resolveAtMs, granularityMs, stalenessFraction = STALENESS_FRACTION } = request;
  const tolerance = Math.max(stalenessFraction * (resolveAtMs - dueMs), granularityMs);
  const stale = [
    { what: "opening", age: dueMs - entry.tsFinal },
    { what: "closing", age: resolveAtMs - exit.tsFinal },
  ].find(({ age }) => age > tolerance);
  return stale && `the ${stale.what} price was ${stale.age} ms old, more than ${tolerance} ms`;
}

const unusable = (what: string, record: MarketRecord): string | undefined =>
  price(record) > 0 && price(record) < Number.POSITIVE_INFINITY
    ? undefined
    : `the ${what} price of ${iso(record.tsEvent)} is ${price(record)}: prices must be positive`;

const resolvedOf = (
  entry: number,
  resolved: number,
  evidence: Record<string, unknown>,
): { resolved: ReturnTruth; evidence: Record<string, unknown> } => ({
  resolved: { entry_price: entry, resolved_price: resolved, profit: (resolved - entry) / entry },
  evidence,
});

const iso = (ms: number): string => new Date(ms).toISOString();
const recordEvidence = (r: MarketRecord) => ({
  subject: r.subject,
  ts_event: iso(r.tsEvent),
  ts_final: iso(r.tsFinal),
  price: price(r),
});
const evidenceOf = (source: string, { entry, exit }: Pair) => ({
  source,
  entry: recordEvidence(entry),
  exit: recordEvidence(exit),
});
