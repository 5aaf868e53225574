import { granularityMs } from "../domain/granularity.ts";
import { type BinanceHistory, binanceHistory } from "./binance-history.ts";
import { exchangeInfo, type Labels, refusal } from "./binance-messages.ts";
import { listenTo } from "./binance-stream.ts";
import { type SourceClock, sourceClock } from "./clock.ts";
import { type Feed, type FeedObserver, FeedSettingError, type Subscription } from "./feed.ts";
import { type HttpSource, httpSource, SourceError } from "./http.ts";
import type { OpenCandleObserver } from "./open-candle.ts";
import { type FeedOptions, type Patience, patienceOf, positiveOption, urlOption } from "./options.ts";
import { type Report, reporter } from "./report.ts";

const SOURCE = "binance";
const KINDS = ["candle", "trade", "tick", "depth", "funding"] as const;
/** Intervals that are multiples of themselves since the epoch; Binance's 3d, 1w and 1M are not. */
const INTERVALS: ReadonlyMap<number, string> = new Map(
  ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"].map((i) => [granularityMs(i), i]),
);
const LEVELS = [5, 10, 20];
/** One connection carries so many streams. */
const MOST_SUBJECTS = 1_024;

/** What the parts of this feed share. */
interface Binance {
  streamUrl: string;
  futuresStreamUrl: string;
  patience: Patience;
  report: Report;
  onOpen: OpenCandleObserver | undefined;
  clock: SourceClock;
  http: HttpSource;
  history: BinanceHistory;
  /** order book levels asked for, and those that values are made of */
  levels: { asked: number; used: number };
}

/**
 * Binance's public market data: closed candles (1s to 1d), aggregate trades, order book and funding, streamed; candles and trades
 * have a history. Options: docs/feeds.md.
 */
export function openBinance(options: FeedOptions, onEvent?: FeedObserver, onOpen?: OpenCandleObserver): Feed {
  const binance = { ...parts(options, reporter(SOURCE, onEvent)), onOpen };
  let listed: Promise<string[]> | undefined;
  const symbols = (signal?: AbortSignal): Promise<string[]> => {
    listed ??= tradedSymbols(binance.http, signal).catch((error: unknown) => {
      listed = undefined;
      throw error;
    });
    return listed;
  };
  return {
    source: SOURCE,
    listSubjects: () => symbols(),
    listen: async (subscription, sink, signal) => {
      const stream = streamOf(subscription, binance);
      const wrong = new AbortController();
      let refused: unknown;
      // beside the stream, which sends nothing for a symbol that does not exist, and says nothing of it either
      const checked = checkSymbols(stream, signal).catch((error: unknown) => {
        if (!(error instanceof FeedSettingError)) return;
        refused = error;
        wrong.abort();
      });
      await listenTo(stream, sink, AbortSignal.any([signal, wrong.signal]));
      await checked;
      if (refused) throw refused;
    },
    fetch: async (request) => {
      const { interval, stepMs, labelsOf } = streamOf(request, binance);
      const { history } = binance;
      const found = await Promise.all(
        request.subjects.map((subject) => {
          if (request.kind === "candle") return history.candles(labelsOf(subject), interval, stepMs, request);
          if (request.kind === "trade" || request.kind === "tick") return history.trades(labelsOf(subject), request);
          return []; // an order book or a forecast of funding has no history
        }),
      ).catch((error: unknown) => {
        throw unknownSymbol(error, request.subjects);
      });
      const ascending = found.flat().sort((a, b) => a.tsEvent - b.tsEvent);
      return ascending.slice(0, request.limit);
    },
  };
}

function parts(options: FeedOptions, report: Report): Omit<Binance, "onOpen"> {
  const patience = patienceOf(options);
  const clock = sourceClock(report);
  const http = httpSource({
    baseUrl: urlOption(options, "rest_url", "https://api.binance.com", ["https:", "http:"]),
    timeoutMs: patience.timeoutMs,
    retryMs: patience.retryMs,
    spacingMs: 1_000 / positiveOption(options, "requests_per_second", 20, "requests"),
    report,
    clock,
  });
  const used = positiveOption(options, "depth_limit", 10, "levels of the order book");
  const asked = LEVELS.find((levels) => levels >= used);
  if (asked === undefined || !Number.isInteger(used))
    throw new FeedSettingError(`FEED_OPT_depth_limit=${used}: a whole number up to ${LEVELS.at(-1)}`);
  const history = binanceHistory({ http, clock, report, retryMs: patience.retryMs });
  return {
    streamUrl: urlOption(options, "stream_url", "wss://stream.binance.com:9443", ["wss:", "ws:"]),
    // without its path /market the futures server accepts the subscription and sends nothing
    futuresStreamUrl: urlOption(options, "futures_stream_url", "wss://fstream.binance.com/market", ["wss:", "ws:"]),
    ...{ patience, report, clock, http, history, levels: { asked, used } },
  };
}

/** A subscription that was looked at: every mistake in it is a FeedSettingError. */
export interface Stream extends Subscription {
  binance: Binance;
  interval: string;
  /** what a candle covers, or the distance between samples of order book and funding, ms */
  stepMs: number;
  labelsOf(subject: string): Labels;
}

function streamOf(subscription: Subscription, binance: Binance): Stream {
  const { subjects, kind, granularity } = subscription;
  const stepMs = granularityMs(granularity);
  const interval = INTERVALS.get(stepMs) ?? "";
  if (!(KINDS as readonly string[]).includes(kind))
    throw new FeedSettingError(`FEED_KIND=${kind}: binance has ${KINDS.join(", ")}`);
  if (kind === "candle" && !interval)
    throw new FeedSettingError(
      `FEED_GRANULARITY=${granularity}: binance has candles of ${[...INTERVALS.values()].join(", ")}`,
    );
  for (const subject of subjects)
    if (!/^[A-Z0-9]{2,30}$/.test(subject))
      throw new FeedSettingError(`FEED_SUBJECTS: binance writes symbols like BTCUSDT, not ${subject}`);
  if (subjects.length === 0 || subjects.length > MOST_SUBJECTS)
    throw new FeedSettingError(`FEED_SUBJECTS: 1 to ${MOST_SUBJECTS} symbols, not ${subjects.length}`);
  const labelsOf = (subject: string): Labels => ({ source: SOURCE, subject, kind, granularity });
  return { subjects, kind, granularity, binance, interval, stepMs, labelsOf };
}

async function tradedSymbols(http: HttpSource, signal?: AbortSignal): Promise<string[]> {
  const { symbols } = await http.get({ path: "/api/v3/exchangeInfo", schema: exchangeInfo, signal });
  return symbols.filter(({ status }) => status === "TRADING").map(({ symbol }) => symbol);
}

async function checkSymbols({ kind, subjects, binance }: Stream, signal: AbortSignal): Promise<void> {
  if (kind === "funding") return; // futures have symbols of their own
  const query = { symbols: JSON.stringify(subjects) };
  await binance.http
    .get({ path: "/api/v3/exchangeInfo", query, schema: exchangeInfo, signal })
    .catch((error: unknown) => {
      throw unknownSymbol(error, subjects);
    });
}

/** Error -1121 of Binance, in words that say which setting to change. */
function unknownSymbol(error: unknown, subjects: readonly string[]): unknown {
  if (!(error instanceof SourceError) || error.status !== 400) return error;
  try {
    const { code } = refusal.parse(JSON.parse(error.body));
    if (code !== -1121) return error;
  } catch {
    return error;
  }
  return new FeedSettingError(`FEED_SUBJECTS=${subjects.join(",")}: binance has no such symbol`);
}
