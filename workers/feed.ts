import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { ingest } from "../activities/feed.ts";
import { createComparison } from "../activities/feed-disagreement.ts";
import { createQualityLog, type QualityLog } from "../activities/feed-quality.ts";
import { createOpenCandles, type OpenCandles } from "../activities/open-candles.ts";
import { preparePartitions } from "../db/partitions.ts";
import type { FeedStream } from "../domain/feed-streams.ts";
import { type Feed, type FeedRecord, FeedSettingError } from "../feeds/feed.ts";
import { openFeed } from "../feeds/open.ts";
import type { Role, RoleContext } from "./context.ts";
import { feedEvents } from "./metrics.ts";

const HOUR_MS = 3_600_000;
const RETRY_MS = 5_000;

/** One stream with what is kept of it beside its records. */
interface Listened {
  stream: FeedStream;
  quality: QualityLog;
  openCandles: OpenCandles;
}
type Context = Pick<RoleContext, "config" | "db" | "log" | "competition">;

/**
 * Brings the streams of FEED_SOURCE into the database, each by itself: one that fails stops no other. `onStored` tells roles of the same
 * process of the first stream's records, after the commit: the others are for truth and quality.
 */
export async function startFeedRole(context: Context, onStored: (records: FeedRecord[]) => void): Promise<Role> {
  const { config, db, log } = context;
  const streams = config.FEED_STREAMS.map((stream) => ({
    ...{ stream, quality: qualityOf(context, stream), openCandles: createOpenCandles(context) },
  }));
  const compare = createComparison(streams, context.competition.competition.truthSources?.maxDeviation);
  await preparePartitions(db, Date.now());
  const stop = new AbortController();
  const opened = await Promise.all(streams.map((one) => open(one, log)));
  const partitions = setInterval(
    () =>
      void preparePartitions(db, Date.now()).catch((error: unknown) =>
        log.error({ error: String(error) }, "partitions"),
      ),
    HOUR_MS,
  );
  const running = Promise.all(
    streams.map(async (one, i) => {
      const { stream, quality, openCandles } = one;
      const feed = opened[i] ?? (await openLater(one, log, stop.signal));
      if (!feed) return;
      const stored = (records: FeedRecord[]): void => {
        compare(stream, records);
        if (i === 0) onStored(records);
      };
      const spans = {
        backfillMs: config.FEED_BACKFILL_MINUTES * 60_000,
        keepMs: config.FEED_RECORD_TTL_DAYS * 24 * HOUR_MS,
      };
      await ingest({ db, feed, stream, quality, openCandles, ...spans, log, onStored: stored }, stop.signal);
    }),
  );
  return {
    name: "feed",
    run: async () => void (await running),
    drain: async () => {
      clearInterval(partitions);
      stop.abort();
      await running;
    },
    missing: async () => [],
  };
}

const qualityOf = ({ db, log }: Context, stream: FeedStream): QualityLog =>
  createQualityLog({
    ...{ db, log, stream },
    onCount: ({ source, subject, event, count }) => feedEvents.inc({ source, subject, event }, count),
  });

/** Null: the source cannot be opened now. A setting that it cannot work with is the operator's to mend, and ends the start. */
async function open({ stream, quality, openCandles }: Listened, log: Logger): Promise<Feed | null> {
  const { source, subjects, kind, options } = stream;
  const told = { onEvent: quality.observe, onOpen: openCandles.observe };
  return openFeed({ source, subjects, kind, options, ...told }).catch((error: unknown) => {
    if (error instanceof FeedSettingError) throw error;
    log.error({ source, error: String(error) }, "a feed cannot be opened; trying again");
    return null;
  });
}

async function openLater(one: Listened, log: Logger, signal: AbortSignal): Promise<Feed | null> {
  for (let feed: Feed | null = null; !signal.aborted; ) {
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    feed = await open(one, log).catch((error: unknown) => {
      log.error({ source: one.stream.source, error: String(error) }, "a feed cannot be opened; trying again");
      return null;
    });
    if (feed) return feed;
  }
  return null;
}
