import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { addQuality, type QualityCount } from "../db/feed-quality.ts";
import type { FeedStream } from "../domain/feed-streams.ts";
import type { FeedEvent } from "../feeds/feed.ts";

/** Counts what speaks for or against the data of one stream; in memory until `flush`, which a crash may cost a second of. */
export interface QualityLog {
  /** `subject` absent: it concerns the connection, and so every subject */
  count(event: string, subject: string | undefined, detail: string, count?: number): void;
  /** what the feed itself reports */
  observe(event: FeedEvent): void;
  /** holes the feed reported, `ms` long, after the record that began at `sinceMs`; whoever has noted one removes it */
  readonly gaps: { subject: string; sinceMs: number; ms: number }[];
  /** writes what was counted; what cannot be written is kept for the next time */
  flush(): Promise<void>;
}

export interface QualityLogOptions {
  db: Database;
  stream: FeedStream;
  log: Logger;
  onCount?: (count: QualityCount) => void;
  now?: () => number;
}

/** Late records and gaps are seen by the ingestion, which has them delivered; counted there, they are not counted twice. */
const SEEN_ELSEWHERE: readonly FeedEvent["kind"][] = ["connected", "late", "gap"];
const LONGEST_DETAIL = 500;

export function createQualityLog({ db, stream, log, onCount, now = Date.now }: QualityLogOptions): QualityLog {
  let counts = new Map<string, QualityCount>();
  const gaps: QualityLog["gaps"] = [];
  const add = (entry: QualityCount): void => {
    const key = `${entry.event}/${entry.subject}/${Math.floor(entry.lastMs / 3_600_000)}`;
    const before = counts.get(key);
    counts.set(key, before ? { ...entry, count: before.count + entry.count } : entry);
  };
  const count: QualityLog["count"] = (event, subject, detail, times = 1) => {
    const { source, kind, granularity, subjects } = stream;
    const text = detail.slice(0, LONGEST_DETAIL).replaceAll("\0", "");
    for (const name of subject === undefined ? subjects : [subject]) {
      const entry = { source, kind, granularity, subject: name, event, count: times, lastMs: now(), lastDetail: text };
      add(entry);
      onCount?.(entry);
    }
  };
  return {
    count,
    observe: ({ kind, subject, detail, count: times, sinceMs, ms }) => {
      if (kind === "gap" && subject !== undefined && sinceMs !== undefined && ms !== undefined)
        gaps.push({ subject, sinceMs, ms });
      if (SEEN_ELSEWHERE.includes(kind)) return;
      log.debug({ source: stream.source, subject, event: kind }, detail);
      count(kind, subject !== undefined && stream.subjects.includes(subject) ? subject : undefined, detail, times);
    },
    gaps,
    flush: async () => {
      const taken = [...counts.values()];
      counts = new Map();
      await addQuality(db, taken).catch((error: unknown) => {
        taken.forEach(add);
        log.warn({ error: String(error) }, "feed quality could not be written; kept for the next time");
      });
    },
  };
}
