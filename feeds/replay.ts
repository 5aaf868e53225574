import { setTimeout as delay } from "node:timers/promises";
import { granularityMs } from "../domain/granularity.ts";
import { type Feed, type FeedRecord, FeedSettingError, type FeedSink, type Subscription } from "./feed.ts";
import type { RecordedEvent, Series } from "./series.ts";

export interface ReplayOptions {
  series: Series;
  subject: string;
  /** recorded ms that pass in one real ms; absent: what makes one candle last the subscribed granularity */
  speed?: number;
  now?: () => number;
}

/**
 * A recorded series played against the clock, loop after loop. What is due at an instant is a function of that instant alone,
 * so a restart goes on where the clock is, and the past can be fetched. Each loop is a segment of its own.
 */
export function createReplayFeed(options: ReplayOptions): Feed {
  const now = options.now ?? Date.now;
  return {
    source: "replay",
    listSubjects: async () => [options.subject],
    fetch: async (request) =>
      recordsBetween(playback(options, request), request, request.startMs, request.endMs, request.limit),
    listen: async (subscription, sink, signal) => {
      const tape = playback(options, subscription);
      let doneMs = now();
      while (!signal.aborted) {
        const untilMs = tape.nextFinal(doneMs);
        while (now() < untilMs && !signal.aborted)
          // timers may fire a millisecond early
          await delay(untilMs - now(), undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        doneMs = await deliver(tape, subscription, sink, doneMs, now());
      }
    },
  };
}

/** Everything that became final in (fromMs, toMs], in one batch; returns the instant it reached. */
async function deliver(
  tape: Tape,
  subscription: Subscription,
  sink: FeedSink,
  fromMs: number,
  toMs: number,
): Promise<number> {
  const records = recordsBetween(
    tape,
    subscription,
    fromMs - tape.durationMs + 1,
    toMs - tape.durationMs + 1,
    Number.POSITIVE_INFINITY,
  );
  if (records.length > 0) await sink(records);
  return toMs;
}

interface Tape {
  options: ReplayOptions;
  speed: number;
  loopMs: number;
  /** what one record covers in real time, ms; 0 for trades */
  durationMs: number;
  /** real time of event `i` of loop `loop`, epoch ms */
  at(loop: number, i: number): number;
  /** loop and index of the first event at or after an instant */
  seek(instantMs: number): { loop: number; i: number };
  nextFinal(afterMs: number): number;
}

function playback(options: ReplayOptions, subscription: Subscription): Tape {
  const { events, stepMs, spanMs } = options.series;
  const granularity = granularityMs(subscription.granularity);
  const speed = options.speed ?? (stepMs > 0 ? stepMs / granularity : 1);
  if (stepMs > 0 && Math.abs(stepMs / speed - granularity) > 0.5)
    throw new FeedSettingError(
      `FEED_OPT_speed=${speed} makes a bar last ${stepMs / speed} ms: set FEED_GRANULARITY=${stepMs / speed}ms`,
    );
  const unknown = subscription.subjects.filter((s) => s !== options.subject);
  if (unknown.length > 0)
    throw new FeedSettingError(
      `the replay has ${options.subject}, not ${unknown.join(", ")}: set FEED_SUBJECTS or FEED_OPT_subject`,
    );
  const loopMs = Math.round(spanMs / speed);
  const durationMs = stepMs > 0 ? granularity : 0;
  const at = (loop: number, i: number): number => loop * loopMs + Math.round(events[i]!.offsetMs / speed);
  const seek = (instantMs: number): { loop: number; i: number } => {
    const loop = Math.floor(instantMs / loopMs);
    const i = firstIndex(events, (e) => loop * loopMs + Math.round(e.offsetMs / speed) >= instantMs);
    return i < events.length ? { loop, i } : { loop: loop + 1, i: 0 };
  };
  const tape: Tape = {
    options,
    speed,
    loopMs,
    durationMs,
    at,
    seek,
    nextFinal: (afterMs) => {
      const { loop, i } = seek(afterMs - durationMs + 1);
      return at(loop, i) + durationMs;
    },
  };
  return tape;
}

/** Binary search: the first index for which `holds` is true, or the length. */
function firstIndex(events: readonly RecordedEvent[], holds: (event: RecordedEvent) => boolean): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(events[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function recordsBetween(
  tape: Tape,
  subscription: Subscription,
  startMs: number,
  endMs: number,
  limit: number,
): FeedRecord[] {
  const records: FeedRecord[] = [];
  let { loop, i } = tape.seek(startMs);
  while (records.length < limit && tape.at(loop, i) < endMs) {
    const event = tape.options.series.events[i]!;
    records.push({
      source: "replay",
      subject: tape.options.subject,
      kind: subscription.kind,
      granularity: subscription.granularity,
      tsEvent: tape.at(loop, i),
      eventId: event.eventId,
      values: event.values,
      meta: { segment: String(loop), recorded: event.recorded },
    });
    i++;
    if (i === tape.options.series.events.length) {
      i = 0;
      loop++;
    }
  }
  return records;
}
