import { createMarket } from "../activities/market.ts";
import type { ReplayDeps } from "../activities/round-replay.ts";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";
import { truthSourcesOf } from "./truth-sources.ts";

/** The node's streams as they were known at any instant. */
export const replayDeps = (config: Config, db: Database, competition: LoadedCompetition): ReplayDeps => ({
  db,
  competition,
  marketAt: (at) => {
    const knownAt = at ?? undefined;
    const windowSize = config.FEED_CANDLES_WINDOW;
    return {
      market: createMarket({ db, ...config.FEED_STREAMS[0], windowSize, knownAt }),
      others: truthSourcesOf(config, competition.competition, db, knownAt),
    };
  },
});
