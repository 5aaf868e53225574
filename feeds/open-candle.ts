import type { FeedRecord } from "./feed.ts";

/** The candle of a subject that is not closed yet, as it stands: meta.open is true. It changes with every trade and is never a record. */
export type OpenCandleObserver = (candle: FeedRecord) => void;

export const markOpen = (candle: FeedRecord): FeedRecord => ({ ...candle, meta: { ...candle.meta, open: true } });
