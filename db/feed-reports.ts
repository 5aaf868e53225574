import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { Dimension } from "./feeds.ts";

export interface FeedSummary extends Dimension {
  record_count: number;
  oldest_ts: Date | null;
  newest_ts: Date | null;
  watermark_ts: Date;
  watermark_updated_at: Date;
}

const MOST_STREAMS = 200;

/** Every stream with what is stored of it, from the counts per day: as cheap with a billion records as with one. */
export async function feedSummaries(db: Queryable): Promise<FeedSummary[]> {
  const { rows } = await sql<FeedSummary>`
    select w.source, w.subject, w.kind, w.granularity, coalesce(r.n, 0)::float8 as record_count, r.oldest as oldest_ts, r.newest as newest_ts,
      w.last_event_ts as watermark_ts, w.updated_at as watermark_updated_at
    from feed_ingestion_state w
    left join (
      select source, subject, kind, granularity, sum(record_count) as n, min(first_ts) as oldest, max(last_ts) as newest
      from feed_days group by source, subject, kind, granularity
    ) r using (source, subject, kind, granularity)
    order by w.source, w.subject, w.kind, w.granularity limit ${MOST_STREAMS}`.execute(db);
  return rows;
}

/** Streams and their watermarks, without looking at records. */
export const feedWatermarks = (db: Queryable): Promise<(Dimension & { last_event_ts: Date; updated_at: Date })[]> =>
  db
    .selectFrom("feed_ingestion_state")
    .select(["source", "subject", "kind", "granularity", "last_event_ts", "updated_at"])
    .orderBy("source")
    .orderBy("subject")
    .limit(MOST_STREAMS)
    .execute();

export interface StoredFeedRecord extends Dimension {
  ts_event: Date;
  ts_ingested: Date;
  values_jsonb: Record<string, unknown>;
  meta_jsonb: Record<string, unknown>;
}

/** The newest records of the streams that match, newest first. */
export async function feedTail(
  db: Queryable,
  filter: { [K in keyof Dimension]?: string | undefined } & { limit: number },
): Promise<StoredFeedRecord[]> {
  const asked = (["source", "subject", "kind", "granularity"] as const).flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [sql`${sql.ref(`w.${name}`)} = ${value}`];
  });
  const { rows } = await sql<StoredFeedRecord>`
    select r.* from feed_ingestion_state w
    cross join lateral (
      select source, subject, kind, granularity, ts_event, ts_ingested, values_jsonb, meta_jsonb from feed_records f
      where f.source = w.source and f.subject = w.subject and f.kind = w.kind and f.granularity = w.granularity
      order by f.ts_event desc, f.event_id desc limit ${filter.limit}
    ) r
    ${asked.length > 0 ? sql`where ${sql.join(asked, sql` and `)}` : sql``}
    order by r.ts_event desc limit ${filter.limit}`.execute(db);
  return rows;
}

export interface GapSummary extends Dimension {
  open: number;
  filled: number;
  /** holes of the source itself */
  empty: number;
  /** records that the source does not have */
  missing: number;
  /** the newest, newest first */
  spans: {
    from_ts: Date;
    until_ts: Date;
    status: string;
    reason: string;
    missing: number | null;
    closed_at: Date | null;
  }[];
}

const SPANS_SHOWN = 20;

/** Gaps per stream: those that are open, and those that reach beyond `since`. */
export async function gapSummaries(db: Queryable, since: Date): Promise<GapSummary[]> {
  const { rows } = await sql<GapSummary>`
    with g as (
      select *, row_number() over (partition by source, subject, kind, granularity order by from_ts desc) as place
      from feed_gaps where status = 'OPEN' or until_ts > ${since}
    )
    select source, subject, kind, granularity,
      count(*) filter (where status = 'OPEN')::int as open, count(*) filter (where status = 'FILLED')::int as filled,
      count(*) filter (where status = 'EMPTY')::int as empty, coalesce(sum(missing), 0)::float8 as missing,
      jsonb_agg(jsonb_build_object('from_ts', from_ts, 'until_ts', until_ts, 'status', status, 'reason', reason,
        'missing', missing, 'closed_at', closed_at) order by from_ts desc) filter (where place <= ${SPANS_SHOWN}) as spans
    from g group by source, subject, kind, granularity order by source, subject limit ${MOST_STREAMS}`.execute(db);
  const dateOf = (text: unknown): Date => new Date(String(text));
  return rows.map((row) => ({
    ...row,
    spans: row.spans.map((span) => ({
      ...span,
      from_ts: dateOf(span.from_ts),
      until_ts: dateOf(span.until_ts),
      closed_at: span.closed_at === null ? null : dateOf(span.closed_at),
    })),
  }));
}
