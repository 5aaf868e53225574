import { setTimeout as delay } from "node:timers/promises";
import { granularityMs } from "../domain/granularity.ts";
import { brownianPath, seedOf, uniform } from "./brownian.ts";
import { type Feed, type FeedRecord, FeedSettingError, type FetchRequest, type Subscription } from "./feed.ts";
import { type FeedOptions, numberOption, positiveOption } from "./options.ts";

const SOURCE = "synthetic";
const KINDS = ["candle", "tick", "trade"];
const YEAR_MS = 365.25 * 86_400_000;
/** Where the price is FEED_OPT_price. */
const ANCHOR_MS = Date.UTC(2026, 0, 1);
/** A candle looks at its path in so many places, its two ends included. */
const LOOKS = 9;

interface Walk {
  price: number;
  /** per year */
  volatility: number;
  drift: number;
  seed: string;
  now: () => number;
}

/**
 * Prices that nobody made: a geometric Brownian motion S(t) = price · exp((drift − volatility²/2) · t + volatility · W(t)), t in years
 * since 2026. Each instant is a function of seed and subject alone, so history and live agree, at every granularity, for ever.
 */
export function openSynthetic(options: FeedOptions, subjects: readonly string[], now: () => number = Date.now): Feed {
  const walk: Walk = {
    price: positiveOption(options, "price", 100, "the price at the beginning of 2026"),
    volatility: positiveOption(options, "volatility", 0.6, "a year's standard deviation of log returns, such as 0.6"),
    drift: numberOption(options, "drift", 0, "a year's expected return, such as 0.05"),
    seed: options.seed ?? "1",
    now,
  };
  const series = new Map<string, (atMs: number) => number>();
  const priceOf = (subject: string): ((atMs: number) => number) => {
    const known = series.get(subject) ?? prices(walk, subject);
    series.set(subject, known);
    return known;
  };
  const between = (request: Omit<FetchRequest, "limit">): FeedRecord[] => {
    const found = request.subjects.flatMap((subject) => recordsOf(walk.seed, request, subject, priceOf(subject)));
    return found.sort((a, b) => a.tsEvent - b.tsEvent);
  };
  return {
    source: SOURCE,
    listSubjects: async () => [...subjects],
    fetch: async (request) => {
      const stepMs = checked(request);
      const finalMs = walk.now() - (request.kind === "candle" ? stepMs : 0) + 1;
      const endMs = Math.min(request.endMs, finalMs, request.startMs + request.limit * stepMs);
      return between({ ...request, endMs }).slice(0, request.limit);
    },
    listen: async (subscription, sink, signal) => {
      const stepMs = checked(subscription);
      const lengthMs = subscription.kind === "candle" ? stepMs : 0;
      let nextMs = Math.ceil((walk.now() - lengthMs) / stepMs) * stepMs;
      while (!signal.aborted) {
        const waitMs = nextMs + lengthMs - walk.now();
        // timers may fire a millisecond early
        if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
        const untilMs = Math.floor((walk.now() - lengthMs) / stepMs) * stepMs + stepMs;
        if (signal.aborted || untilMs <= nextMs) continue;
        await sink(between({ ...subscription, startMs: nextMs, endMs: untilMs }));
        nextMs = untilMs;
      }
    },
  };
}

function checked({ kind, granularity }: Subscription): number {
  if (!KINDS.includes(kind)) throw new FeedSettingError(`FEED_KIND=${kind}: synthetic has ${KINDS.join(", ")}`);
  return granularityMs(granularity);
}

function prices({ price, volatility, drift, seed }: Walk, subject: string): (atMs: number) => number {
  const path = brownianPath(seedOf(`${seed}/${subject}`));
  const anchor = path(ANCHOR_MS);
  return (atMs) => {
    const trend = ((drift - volatility ** 2 / 2) * (atMs - ANCHOR_MS)) / YEAR_MS;
    const chance = volatility * ((path(atMs) - anchor) / Math.sqrt(YEAR_MS));
    return Number((price * Math.exp(trend + chance)).toPrecision(10));
  };
}

/** One record a step that begins in [startMs, endMs). */
function recordsOf(
  seed: string,
  { startMs, endMs, kind, granularity }: Omit<FetchRequest, "limit" | "subjects">,
  subject: string,
  priceAt: (atMs: number) => number,
): FeedRecord[] {
  const stepMs = granularityMs(granularity);
  const amounts = seedOf(`${seed}/${subject}/amounts`);
  const records: FeedRecord[] = [];
  for (let atMs = Math.ceil(startMs / stepMs) * stepMs; atMs < endMs; atMs += stepMs) {
    const amount = Number((-Math.log(uniform(amounts, 0, atMs / stepMs)) * Math.sqrt(stepMs)).toFixed(3));
    const values = kind === "candle" ? candleAt(atMs, stepMs, priceAt, amount) : { price: priceAt(atMs), amount };
    records.push({ source: SOURCE, subject, kind, granularity, tsEvent: atMs, eventId: "", values, meta: {} });
  }
  return records;
}

function candleAt(atMs: number, stepMs: number, priceAt: (atMs: number) => number, volume: number) {
  const looks = Array.from({ length: LOOKS }, (_, i) => priceAt(atMs + Math.round((i * stepMs) / (LOOKS - 1))));
  return { open: looks[0]!, high: Math.max(...looks), low: Math.min(...looks), close: looks.at(-1)!, volume };
}
