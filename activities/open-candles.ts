import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { storeOpenCandle } from "../db/open-candles.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { OpenCandleObserver } from "../feeds/open-candle.ts";

/** What is forming now in each subject of a stream, for people to see: kept in memory, written once a second at most. */
export interface OpenCandles {
  observe: OpenCandleObserver;
  flush(): Promise<void>;
}

export function createOpenCandles({ db, log }: { db: Database; log: Logger }): OpenCandles {
  const changed = new Map<string, FeedRecord>();
  return {
    observe: (candle) => void changed.set(candle.subject, candle),
    async flush() {
      const candles = [...changed.values()];
      changed.clear();
      await Promise.all(candles.map((candle) => storeOpenCandle(db, candle))).catch((error: unknown) =>
        log.warn({ error: String(error) }, "open candles could not be shown; the next second has newer ones"),
      );
    },
  };
}
