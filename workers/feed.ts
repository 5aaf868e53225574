import { ingest } from "../activities/feed.ts";
import { preparePartitions } from "../db/partitions.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import { openFeed } from "../feeds/open.ts";
import type { Role, RoleContext } from "./context.ts";

const HOUR_MS = 3_600_000;

/** Brings the feed into the database. `onStored` tells roles of the same process, after the commit. */
export async function startFeedRole(
  { config, db, log }: Pick<RoleContext, "config" | "db" | "log">,
  onStored: (records: FeedRecord[]) => void,
): Promise<Role> {
  const feed = await openFeed({
    source: config.FEED_SOURCE,
    subjects: config.FEED_SUBJECTS,
    kind: config.FEED_KIND,
    options: config.FEED_OPT,
  });
  await preparePartitions(db, Date.now());
  const stop = new AbortController();
  const partitions = setInterval(
    () =>
      void preparePartitions(db, Date.now()).catch((error: unknown) =>
        log.error({ error: String(error) }, "partitions"),
      ),
    HOUR_MS,
  );
  const subscription = { subjects: config.FEED_SUBJECTS, kind: config.FEED_KIND, granularity: config.FEED_GRANULARITY };
  const running = ingest(
    { db, feed, subscription, backfillMs: config.FEED_BACKFILL_MINUTES * 60_000, log, onStored },
    stop.signal,
  );
  return {
    name: "feed",
    run: () => running,
    drain: async () => {
      clearInterval(partitions);
      stop.abort();
      await running;
    },
    missing: async () => [],
  };
}
