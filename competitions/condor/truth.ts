import { z } from "zod";
import { log } from "../../domain/density/elementary.ts";
import { nearestPrice, type Price, stepChanges } from "../../domain/step-returns.ts";
import type { MarketRecord, Resolution, ResolveRequest } from "../competition.ts";

/** What happened to one question. */
export const stepTruth = z.object({
  asset: z.string(),
  /** seconds */
  horizon: z.number(),
  step: z.number(),
  /** log returns beyond ± this are told apart no further */
  bound: z.number().positive(),
  /** ln pₜ − ln pₜ₋ₛₜₑₚ of each step, the nearest first; null: both prices are the same tick */
  returns: z.array(z.number().nullable()),
});
export type StepTruth = z.output<typeof stepTruth>;

/** The prices at both ends of the horizon may be at most this share of it away from their instants. */
const STALENESS_FRACTION = 0.2;

/** Log return of every step from the nearest prices (of two as near, the earlier), never from a price after the resolve time. */
export function resolveSteps(request: ResolveRequest): Resolution<StepTruth> {
  const { scope, dueMs, resolveAtMs, granularityMs } = request;
  const delivered = request.deliveredUntilMs ?? request.knownUntilMs;
  if (delivered < resolveAtMs) return { wait: `the closing record is not final: known until ${iso(delivered)}` };
  const gap = request.openGaps?.find((g) => g.fromMs < resolveAtMs);
  if (gap) return { wait: `the feed's hole from ${iso(gap.fromMs)} to ${iso(gap.untilMs)} is still being filled` };
  const usable = request.records.filter((r) => r.tsFinal <= resolveAtMs && isPrice(priceOf(r)));
  const prices = usable.map((r): Price => ({ time: r.tsFinal, price: priceOf(r) }));
  const tolerance = Math.max((request.stalenessFraction ?? STALENESS_FRACTION) * (resolveAtMs - dueMs), granularityMs);
  for (const [what, instant] of [
    ["opening", dueMs],
    ["closing", resolveAtMs],
  ] as const) {
    const nearest = nearestPrice(prices, instant);
    if (!nearest) return { unresolvable: `no ${what} price was ever recorded` };
    const away = Math.abs(nearest.time - instant);
    if (away > tolerance) return { unresolvable: `the ${what} price was ${away} ms away, more than ${tolerance} ms` };
  }
  const opening = usable.findIndex((r) => r.tsFinal === nearestPrice(prices, dueMs)?.time);
  if (usable.slice(opening).some((r) => r.segment !== usable.at(-1)!.segment))
    return { unresolvable: "the series broke in between (the replay began anew)" };
  return resolved(scope, prices, { dueMs, resolveAtMs });
}

function resolved(
  scope: ResolveRequest["scope"],
  prices: readonly Price[],
  { dueMs, resolveAtMs }: { dueMs: number; resolveAtMs: number },
): Resolution<StepTruth> {
  const step = Number(scope.step) * 1_000;
  const count = (resolveAtMs - dueMs) / step;
  const changes = stepChanges(prices, { step, count, end: resolveAtMs });
  const returns = changes.map((change) => change && log(change.to) - log(change.from));
  const skipped = returns.filter((r) => r === null).length;
  if (skipped === count) return { unresolvable: "every step begins and ends on the same tick" };
  return {
    resolved: {
      asset: String(scope.asset),
      horizon: Number(scope.horizon),
      step: Number(scope.step),
      bound: Number(scope.bound),
      returns,
    },
    evidence: {
      prices: changes,
      skipped,
      records: prices.length,
      first: iso(prices[0]!.time),
      last: iso(prices.at(-1)!.time),
    },
  };
}

/** A candle stands for its close. */
export const priceOf = (record: MarketRecord): number => record.values.close ?? record.values.price ?? Number.NaN;
const isPrice = (price: number): boolean => price > 0 && price < Number.POSITIVE_INFINITY;
const iso = (ms: number): string => new Date(ms).toISOString();
