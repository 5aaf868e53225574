import { openBinance } from "./binance.ts";
import { type Feed, type FeedObserver, FeedSettingError } from "./feed.ts";
import type { OpenCandleObserver } from "./open-candle.ts";
import type { FeedOptions } from "./options.ts";
import { openPyth } from "./pyth.ts";
import { createReplayFeed } from "./replay.ts";
import { fileSeries, packagedSeries } from "./series.ts";
import { openSynthetic } from "./synthetic.ts";

export interface FeedSettings {
  source: string;
  subjects: readonly string[];
  kind: string;
  /** FEED_OPT_… by name */
  options: FeedOptions;
  /** told of reconnects, gaps, duplicates and whatever else says how good the source is */
  onEvent?: FeedObserver;
  /** told of open candles, at each change; must not throw. Only closed ones go to the sink */
  onOpen?: OpenCandleObserver;
}

/** FEED_OPT_file (CSV, parquet or a folder of them; absent: the packaged S&P 500), FEED_OPT_speed, FEED_OPT_spacing=even|recorded, FEED_OPT_subject. */
async function openReplay({ subjects, kind, options }: FeedSettings): Promise<Feed> {
  const speed = options.speed === undefined ? undefined : Number(options.speed);
  if (speed !== undefined && !(speed > 0))
    throw new FeedSettingError(`FEED_OPT_speed=${options.speed}: a positive number, recorded time per real time`);
  if (options.spacing && !["even", "recorded"].includes(options.spacing))
    throw new FeedSettingError(`FEED_OPT_spacing=${options.spacing}: even or recorded`);
  const read = { even: options.spacing === "even", candles: kind === "candle" };
  const series = options.file ? await fileSeries(options.file, read) : await packagedSeries();
  const subject = options.subject ?? subjects[0] ?? "SP500";
  return createReplayFeed({ series, subject, ...(speed === undefined ? {} : { speed }) });
}

const SOURCES: Readonly<Record<string, (settings: FeedSettings) => Feed | Promise<Feed>>> = {
  pyth: ({ options, onEvent, onOpen }) => openPyth(options, onEvent, onOpen),
  binance: ({ options, onEvent, onOpen }) => openBinance(options, onEvent, onOpen),
  replay: openReplay,
  synthetic: ({ options, subjects }) => openSynthetic(options, subjects),
};

/** Opens the feed that FEED_SOURCE names. */
export async function openFeed(settings: FeedSettings): Promise<Feed> {
  const open = SOURCES[settings.source.toLowerCase()];
  if (!open)
    throw new FeedSettingError(`FEED_SOURCE=${settings.source}: this version has ${Object.keys(SOURCES).join(", ")}`);
  return open(settings);
}
