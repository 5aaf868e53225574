import { granularityMs } from "../domain/granularity.ts";
import { type SourceClock, sourceClock } from "./clock.ts";
import { type Feed, type FeedObserver, type FeedRecord, FeedSettingError, type Subscription } from "./feed.ts";
import { httpSource } from "./http.ts";
import type { OpenCandleObserver } from "./open-candle.ts";
import { type FeedOptions, type Patience, patienceOf, positiveOption, urlOption } from "./options.ts";
import { type PythHistory, pythHistory } from "./pyth-history.ts";
import { candleRecord, tickRecord } from "./pyth-records.ts";
import { listenTo } from "./pyth-stream.ts";
import { type PriceFeed, type PythSymbols, pythSymbols } from "./pyth-symbols.ts";
import { type Report, reporter } from "./report.ts";

const SOURCE = "pyth";
const KINDS = ["candle", "tick"];

/** What the parts of this feed share. */
export interface Pyth {
  hermesUrl: string;
  headers: Readonly<Record<string, string>>;
  patience: Patience;
  /** a candle after whose end nothing comes is given out so much later, ms */
  graceMs: number;
  report: Report;
  onOpen: OpenCandleObserver | undefined;
  clock: SourceClock;
  symbols: PythSymbols;
  history: PythHistory;
}

/** A subscription that was looked at. */
export interface PythStream extends Subscription {
  pyth: Pyth;
  stepMs: number;
  /** by subject */
  feeds: ReadonlyMap<string, PriceFeed>;
  labelsOf(subject: string): Pick<FeedRecord, "source" | "subject" | "kind" | "granularity">;
}

/** Pyth's prices: updates streamed by Hermes, candles made of them, history from the Benchmarks API. Options: docs/feeds.md. */
export function openPyth(options: FeedOptions, onEvent?: FeedObserver, onOpen?: OpenCandleObserver): Feed {
  const pyth = { ...parts(options, reporter(SOURCE, onEvent)), onOpen };
  return {
    source: SOURCE,
    listSubjects: async () => (await pyth.symbols.all()).map(({ symbol }) => symbol),
    listen: async (subscription, sink, signal) =>
      listenTo(pyth, () => streamOf(subscription, pyth, signal), checked(subscription), sink, signal),
    fetch: async (request) => {
      checked(request);
      const { feeds, stepMs, labelsOf } = await streamOf(request, pyth, request.signal);
      const found: FeedRecord[] = [];
      for (const [subject, feed] of feeds) {
        const labels = labelsOf(subject);
        if (request.kind === "tick")
          found.push(...(await pyth.history.settledTicks(feed, request)).map((update) => tickRecord(labels, update)));
        else
          found.push(
            ...(await pyth.history.settledCandles(feed, stepMs, request)).map((bar) => candleRecord(labels, bar)),
          );
      }
      return found.sort((a, b) => a.tsEvent - b.tsEvent).slice(0, request.limit);
    },
  };
}

function parts(options: FeedOptions, report: Report): Omit<Pyth, "onOpen"> {
  const patience = patienceOf(options);
  const clock = sourceClock(report);
  const headers = options.api_key ? { authorization: `Bearer ${options.api_key}` } : {};
  const web = ["https:", "http:"];
  const hermesUrl = urlOption(options, "hermes_url", "https://hermes.pyth.network", web);
  const benchmarksUrl = urlOption(options, "benchmarks_url", "https://benchmarks.pyth.network", web);
  // the public limit is 30 requests in 10 seconds
  const spacingMs = 1_000 / positiveOption(options, "requests_per_second", 2.8, "requests");
  const graceMs = 1_000 * positiveOption(options, "grace_seconds", 5, "seconds");
  const { timeoutMs, retryMs } = patience;
  const source = (baseUrl: string) => httpSource({ baseUrl, headers, timeoutMs, retryMs, spacingMs, report, clock });
  const symbols = pythSymbols(source(hermesUrl), options);
  const history = pythHistory({ benchmarks: source(benchmarksUrl), clock, report, retryMs });
  return { hermesUrl, headers, patience, graceMs, report, clock, symbols, history };
}

/** What can be told to be wrong without asking anybody; returns the granularity in ms. */
function checked({ kind, granularity, subjects }: Subscription): number {
  if (!KINDS.includes(kind)) throw new FeedSettingError(`FEED_KIND=${kind}: pyth has ${KINDS.join(", ")}`);
  if (subjects.length === 0) throw new FeedSettingError("FEED_SUBJECTS: name at least one, such as BTC");
  const stepMs = granularityMs(granularity);
  if (kind === "candle" && stepMs % 1_000 !== 0)
    throw new FeedSettingError(`FEED_GRANULARITY=${granularity}: pyth's times are whole seconds, so candles are, too`);
  return stepMs;
}

async function streamOf(subscription: Subscription, pyth: Pyth, signal?: AbortSignal): Promise<PythStream> {
  const { subjects, kind, granularity } = subscription;
  const feeds = new Map<string, PriceFeed>();
  for (const subject of subjects) feeds.set(subject, await pyth.symbols.of(subject, signal));
  const labelsOf = (subject: string) => ({ source: SOURCE, subject, kind, granularity });
  return { subjects, kind, granularity, pyth, stepMs: granularityMs(granularity), feeds, labelsOf };
}
