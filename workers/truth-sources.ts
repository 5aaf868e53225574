import { createMarket } from "../activities/market.ts";
import type { TruthSource } from "../activities/truth.ts";
import type { Competition } from "../competitions/competition.ts";
import { type Config, ConfigError } from "../config.ts";
import type { Database } from "../db/database.ts";

/** The streams of the contract's `truthSources`, which FEED_SOURCE must name after the first; `knownAt`: as they were known then. */
export function truthSourcesOf(
  { FEED_SOURCE, FEED_STREAMS }: Pick<Config, "FEED_SOURCE" | "FEED_STREAMS">,
  { truthSources }: Pick<Competition, "truthSources">,
  db: Database,
  knownAt?: Date,
): TruthSource[] {
  const [first, ...others] = FEED_STREAMS;
  const sources = truthSources?.sources ?? [];
  const unknown = sources.filter((name) => !others.some((stream) => stream.source === name));
  if (unknown.length > 0)
    throw new ConfigError([
      `FEED_SOURCE=${FEED_SOURCE}: the competition's truthSources also want ${unknown.join(", ")}; write them after the first, comma separated`,
    ]);
  return sources.map((name) => {
    const stream = others.find((s) => s.source === name)!;
    return {
      market: createMarket({ db, ...stream, windowSize: 1, knownAt }),
      subjectOf: (subject) => stream.subjects[first.subjects.indexOf(subject)] ?? subject,
    };
  });
}
