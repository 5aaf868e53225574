import type { FeedStream } from "../domain/feed-streams.ts";
import { granularityMs } from "../domain/granularity.ts";
import { priceOf } from "../domain/price.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { QualityLog } from "./feed-quality.ts";

interface Price {
  tsFinal: number;
  value: number;
}

/** Beyond this share of the first source's price another one contradicts it. */
const DISAGREEMENT = 0.005;

/**
 * Compares what several streams say of the same subject at about the same time; a contradiction is counted of the stream that is not
 * the first. Returns what to call with the records that a stream has stored.
 */
export function createComparison(
  streams: readonly { stream: FeedStream; quality: QualityLog }[],
  maxDeviation = DISAGREEMENT,
): (stream: FeedStream, records: readonly FeedRecord[]) => void {
  const newest = new Map<string, Price>();
  const first = streams[0]!.stream;
  const key = (stream: FeedStream, place: number): string =>
    `${streams.findIndex((s) => s.stream === stream)}/${place}`;

  const compare = (place: number, other: (typeof streams)[number]): void => {
    const [a, b] = [newest.get(key(first, place)), newest.get(key(other.stream, place))];
    if (!a || !b || Math.abs(a.tsFinal - b.tsFinal) > Math.max(lengthOf(first), lengthOf(other.stream))) return;
    const share = Math.abs(b.value / a.value - 1);
    if (share <= maxDeviation) return;
    const text = `${first.source} ${a.value}, ${other.stream.source} ${b.value}: ${(100 * share).toFixed(2)} % apart`;
    other.quality.count("disagreement", other.stream.subjects[place], text);
  };

  return (stream, records) => {
    for (const [place, subject] of stream.subjects.entries()) {
      const last = records.findLast((r) => r.subject === subject);
      const value = last && priceOf(last.values);
      if (!last || value === undefined) continue;
      const tsFinal = last.tsEvent + (stream.kind === "candle" ? granularityMs(stream.granularity) : 0);
      const before = newest.get(key(stream, place));
      if (before && before.tsFinal >= tsFinal) continue; // history
      newest.set(key(stream, place), { tsFinal, value });
      for (const other of streams.slice(1)) if (stream === first || stream === other.stream) compare(place, other);
    }
  };
}

const lengthOf = (stream: FeedStream): number => granularityMs(stream.granularity);
