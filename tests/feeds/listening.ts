import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach } from "vitest";
import type { Feed, FeedEvent, FeedEventKind, FeedObserver, FeedRecord, Subscription } from "../../feeds/feed.ts";
import type { OpenCandleObserver } from "../../feeds/open-candle.ts";
import type { FeedOptions } from "../../feeds/options.ts";

/** So little patience that a test takes seconds. */
export const IMPATIENT = {
  timeout_seconds: "0.4",
  silence_seconds: "0.3",
  gap_seconds: "1",
  retry_seconds: "0.02",
  requests_per_second: "500",
};

export interface Listening {
  records: FeedRecord[];
  /** open candles as they were told, in order */
  open: FeedRecord[];
  events: FeedEvent[];
  of(kind: FeedEventKind): FeedEvent[];
  /** waits until it holds; throws after ten seconds, or `withinMs`, with what was seen and what `seen` says */
  until(what: string, holds: () => boolean, withinMs?: number, seen?: () => string): Promise<void>;
  stop(): Promise<void>;
}

type Open = (onEvent?: FeedObserver, onOpen?: OpenCandleObserver) => Feed;

function listening(
  open: Open,
  subscription: Subscription,
  onBatch: () => Promise<void> = async () => undefined,
): Listening {
  const records: FeedRecord[] = [];
  const events: FeedEvent[] = [];
  const candles: FeedRecord[] = [];
  const stop = new AbortController();
  let failure: unknown;
  const running = open(
    (event) => events.push(event),
    (candle) => candles.push(candle),
  )
    .listen(
      subscription,
      async (batch) => {
        await onBatch();
        records.push(...batch);
      },
      stop.signal,
    )
    .catch((error: unknown) => {
      failure = error;
    });
  return {
    records,
    events,
    open: candles,
    of: (kind) => events.filter((event) => event.kind === kind),
    until: async (what, holds, withinMs = 10_000, seen = () => "") => {
      const deadline = performance.now() + withinMs;
      while (!holds()) {
        if (failure) throw failure;
        if (performance.now() > deadline)
          throw new Error(`not in ${withinMs} ms: ${what}; ${seen()}; ${JSON.stringify(events.slice(-20))}`);
        await delay(withinMs / 1_000);
      }
    },
    stop: async () => {
      stop.abort();
      await running;
      if (failure) throw failure;
    },
  };
}

/** What is missing between the first and the last of these numbers, for people; empty where nothing is. */
export function missing(numbers: readonly number[]): string {
  const there = new Set(numbers);
  const first = numbers.reduce((a, b) => Math.min(a, b));
  const last = numbers.reduce((a, b) => Math.max(a, b));
  const holes: number[] = [];
  for (let i = first; i <= last; i++) if (!there.has(i)) holes.push(i);
  return holes.length === 0 ? "" : `${holes.length} from ${holes[0]} to ${holes.at(-1)} of ${first} to ${last}`;
}

interface Double {
  options: FeedOptions;
  close(): Promise<void>;
}

/** Each test of the file has a server of its own; its listeners are stopped after it. */
export function underTest<Server extends Double>(
  start: () => Promise<Server>,
  openFeed: (options: FeedOptions, onEvent?: FeedObserver, onOpen?: OpenCandleObserver) => Feed,
) {
  let server: Server;
  const open: Listening[] = [];
  beforeEach(async () => {
    server = await start();
  });
  afterEach(async () => {
    const stopping = open.splice(0).map((one) => one.stop());
    await Promise.all(stopping);
    await server.close();
  });
  const feed = (onEvent?: FeedObserver, more: FeedOptions = {}, onOpen?: OpenCandleObserver): Feed =>
    openFeed({ ...server.options, ...IMPATIENT, ...more }, onEvent, onOpen);
  return {
    get server(): Server {
      return server;
    },
    feed,
    listen(subscription: Subscription, more: FeedOptions = {}, onBatch?: () => Promise<void>): Listening {
      const feeding = listening((onEvent, onOpen) => feed(onEvent, more, onOpen), subscription, onBatch);
      open.push(feeding);
      return feeding;
    },
  };
}
