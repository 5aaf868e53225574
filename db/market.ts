import { sql } from "kysely";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Queryable } from "./database.ts";
import type { Span } from "./feed-gaps.ts";
import { type Dimension, recordOf } from "./feeds.ts";

/** Of all subjects of one stream. */
export type Stream = Omit<Dimension, "subject">;

/** A subject has so many open holes at most; of more the oldest are told. */
const MOST_GAPS = 1_000;

const isOf = (table: string, { source, kind, granularity }: Stream) => {
  const column = (name: string) => sql.ref(`${table}.${name}`);
  return sql`${column("source")} = ${source} and ${column("kind")} = ${kind} and ${column("granularity")} = ${granularity}
    and ${column("subject")} = k.subject`;
};

export interface Delivered {
  /** when the newest stored record begins, epoch ms; null: none was ever stored */
  lastMs: number | null;
  /** still being filled, the oldest first */
  openGaps: Span[];
}

/** How far each subject is known, in the questions' order; holes that end by `sinceMs` are left out. */
export async function deliveredOf(
  db: Queryable,
  stream: Stream,
  asked: readonly { subject: string; sinceMs: number }[],
): Promise<Delivered[]> {
  const { rows } = await sql<{ i: number; last_event_ts: Date | null; from_ts: Date | null; until_ts: Date | null }>`
    select k.i::int, s.last_event_ts, g.from_ts, g.until_ts
    from unnest(${asked.map((a) => a.subject)}::text[], ${asked.map((a) => new Date(a.sinceMs))}::timestamptz[])
      with ordinality k (subject, since_ts, i)
    left join feed_ingestion_state s on ${isOf("s", stream)}
    left join lateral (
      select from_ts, until_ts from feed_gaps g where ${isOf("g", stream)} and status = 'OPEN' and until_ts > k.since_ts
      order by from_ts limit ${MOST_GAPS}
    ) g on true
    order by k.i, g.from_ts`.execute(db);
  const answers = asked.map((): Delivered => ({ lastMs: null, openGaps: [] }));
  for (const { i, last_event_ts, from_ts, until_ts } of rows) {
    const answer = answers[i - 1]!;
    answer.lastMs = last_event_ts?.getTime() ?? null;
    if (from_ts && until_ts) answer.openGaps.push({ fromMs: from_ts.getTime(), untilMs: until_ts.getTime() });
  }
  return answers;
}

/** In the questions' order: a subject's records that begin in (fromMs, untilMs], the newest `limit` of them, ascending, behind the last one that begins at or before fromMs. */
export async function recordsAround(
  db: Queryable,
  stream: Stream,
  asked: readonly (Span & { subject: string })[],
  { limit, storedBy }: { limit: number; storedBy?: Date | undefined },
): Promise<FeedRecord[][]> {
  const newest = (span: ReturnType<typeof sql>, count: number) => sql`(
    select ts_event, event_id, values_jsonb, meta_jsonb from feed_records f
    where ${isOf("f", stream)} and ${span} ${storedBy ? sql`and ts_ingested <= ${storedBy}` : sql``}
    order by ts_event desc, event_id desc limit ${count})`;
  const { rows } = await sql<{ i: number } & Parameters<ReturnType<typeof recordOf>>[0]>`
    select k.i::int, r.*
    from unnest(${asked.map((a) => a.subject)}::text[], ${asked.map((a) => new Date(a.fromMs))}::timestamptz[],
      ${asked.map((a) => new Date(a.untilMs))}::timestamptz[]) with ordinality k (subject, from_ts, until_ts, i)
    cross join lateral (
      ${newest(sql`ts_event <= k.from_ts`, 1)} union all ${newest(sql`ts_event > k.from_ts and ts_event <= k.until_ts`, limit)}
    ) r
    order by k.i, ts_event, event_id`.execute(db);
  const answers = asked.map((): FeedRecord[] => []);
  for (const { i, ...row } of rows) answers[i - 1]!.push(recordOf({ ...stream, subject: asked[i - 1]!.subject })(row));
  return answers;
}
