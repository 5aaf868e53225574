import { setTimeout as delay } from "node:timers/promises";
import type { Feed, FeedEvent, FeedEventKind, FeedRecord, Subscription } from "../../feeds/feed.ts";

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
  events: FeedEvent[];
  of(kind: FeedEventKind): FeedEvent[];
  /** waits until it holds; throws after ten seconds, or `withinMs`, with what was seen and what `seen` says */
  until(what: string, holds: () => boolean, withinMs?: number, seen?: () => string): Promise<void>;
  stop(): Promise<void>;
}

export function listening(
  open: (onEvent: (event: FeedEvent) => void) => Feed,
  subscription: Subscription,
  onBatch: () => Promise<void> = async () => undefined,
): Listening {
  const records: FeedRecord[] = [];
  const events: FeedEvent[] = [];
  const stop = new AbortController();
  let failure: unknown;
  const running = open((event) => events.push(event))
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
