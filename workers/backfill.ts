import { Worker } from "@temporalio/worker";
import { createBackfillActivities, createBackfillFetchActivities } from "../activities/backfill.ts";
import { createBackfillRunActivities } from "../activities/backfill-runs.ts";
import { createDayFolder } from "../activities/day-folder.ts";
import { type Config, dayFolderOf } from "../config.ts";
import { withIndexLock } from "../db/backfill-records.ts";
import type { Stream } from "../domain/day-file.ts";
import { taskQueue } from "../domain/ids.ts";
import { type Feed, FeedSettingError } from "../feeds/feed.ts";
import { openFeed } from "../feeds/open.ts";
import type { RoleContext } from "./context.ts";
import { heartbeating } from "./heartbeat.ts";

const PAGE = 1_000;
/** Jobs that fetch at the same time; further ones take turns. */
const AT_ONCE = 2;
const GRACE = { shutdownGraceTime: "1s", shutdownForceTime: "5s" } as const;

/**
 * Backfill jobs live in the score role: it is another process than the one that predicts. `activities` belong on its own queue; fetching has
 * a queue and a worker beside it, so that jobs take no slot from scoring.
 */
export async function createBackfillWork({ config, db, log, temporal }: RoleContext) {
  const deps = {
    db,
    log,
    pageSize: PAGE,
    pauseMs: 1_000 / config.BACKFILL_PAGES_PER_SECOND,
    openFeed: feedOpener(config),
    folder: createDayFolder({ root: dayFolderOf(config), exclusively: (work) => withIndexLock(db, work), log }),
  };
  const worker = await Worker.create({
    connection: temporal.connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: taskQueue("backfill", config.CRUNCH_ID),
    activities: heartbeating(createBackfillFetchActivities(deps)),
    maxConcurrentActivityTaskExecutions: AT_ONCE,
    ...GRACE,
  });
  const runs = { db, client: temporal.rounds, competition: config.CRUNCH_ID };
  return { worker, activities: { ...createBackfillActivities(deps), ...createBackfillRunActivities(runs) } };
}

/** The job says what is opened; the settings only lend the options that they have for that source. A feed is opened once. */
function feedOpener(config: Pick<Config, "FEED_STREAMS" | "FEED_OPT">): (stream: Stream) => Promise<Feed> {
  const opened = new Map<string, Promise<Feed>>();
  return (stream) => {
    const { source, subject, kind, granularity } = stream;
    const key = JSON.stringify([source, subject, kind, granularity]);
    const feed = opened.get(key) ?? openFor(config, stream);
    opened.set(key, feed);
    feed.catch(() => opened.delete(key));
    return feed;
  };
}

/** A refusal is about the job, not about the setting of that name. */
async function openFor(
  config: Pick<Config, "FEED_STREAMS" | "FEED_OPT">,
  { source, subject, kind }: Stream,
): Promise<Feed> {
  try {
    return await openFeed({ source, subjects: [subject], kind, options: optionsFor(config, source) });
  } catch (error) {
    if (!(error instanceof FeedSettingError)) throw error;
    throw new FeedSettingError(error.message.replace(/^FEED_SOURCE=/, "source "));
  }
}

/** Those of the stream that the node follows, or, for a source that it does not, FEED_OPT_<source>_<name>. */
function optionsFor({ FEED_STREAMS, FEED_OPT }: Pick<Config, "FEED_STREAMS" | "FEED_OPT">, source: string) {
  const followed = FEED_STREAMS.find((stream) => stream.source === source);
  if (followed) return followed.options;
  const own = Object.entries(FEED_OPT).filter(([name]) => name.toLowerCase().startsWith(`${source}_`));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(source.length + 1), value]));
}
