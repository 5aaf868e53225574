import { sql } from "kysely";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions } from "./partitions.ts";
import type { DimensionColumns } from "./schema.ts";

/** The four dimensions that name one stream. */
export type Dimension = DimensionColumns;

/** The channel on which a stored batch is announced; the payload is the dimension as JSON. */
export const FEED_CHANNEL = "almanac_feed_records";

const PAGE = 1_000;

/**
 * Stores records and moves the watermark in one transaction, and announces it to listening roles. A record that is there already
 * stays as it was. Returns the records that were new.
 */
export async function storeFeedRecords(db: Database, records: readonly FeedRecord[]): Promise<FeedRecord[]> {
  if (records.length === 0) return [];
  const times = records.map((r) => r.tsEvent);
  await ensurePartitions(
    db,
    "feed_records",
    times.reduce((a, b) => Math.min(a, b)),
    times.reduce((a, b) => Math.max(a, b)),
  );
  return db.transaction().execute(async (tx) => {
    const fresh: FeedRecord[] = [];
    for (let at = 0; at < records.length; at += PAGE)
      fresh.push(...(await insertPage(tx, records.slice(at, at + PAGE))));
    for (const dimension of dimensionsOf(records)) await moveWatermark(tx, dimension, records);
    return fresh;
  });
}

async function insertPage(tx: Queryable, page: readonly FeedRecord[]): Promise<FeedRecord[]> {
  const stored = await tx
    .insertInto("feed_records")
    .values(
      page.map((r) => ({
        source: r.source,
        subject: r.subject,
        kind: r.kind,
        granularity: r.granularity,
        ts_event: new Date(r.tsEvent),
        event_id: r.eventId,
        values_jsonb: JSON.stringify(r.values),
        meta_jsonb: JSON.stringify(r.meta),
      })),
    )
    .onConflict((c) => c.doNothing())
    .returning(["subject", "ts_event", "event_id"])
    .execute();
  const keys = new Set(stored.map((r) => `${r.subject}/${r.ts_event.getTime()}/${r.event_id}`));
  return page.filter((r) => keys.delete(`${r.subject}/${r.tsEvent}/${r.eventId}`));
}

const dimensionOf = ({ source, subject, kind, granularity }: Dimension): Dimension => ({
  source,
  subject,
  kind,
  granularity,
});
const sameDimension = (a: Dimension, b: Dimension): boolean =>
  a.source === b.source && a.subject === b.subject && a.kind === b.kind && a.granularity === b.granularity;

function dimensionsOf(records: readonly FeedRecord[]): Dimension[] {
  return records.map(dimensionOf).filter((d, i, all) => all.findIndex((other) => sameDimension(d, other)) === i);
}

async function moveWatermark(tx: Queryable, dimension: Dimension, records: readonly FeedRecord[]): Promise<void> {
  const last = new Date(
    records.filter((r) => sameDimension(r, dimension)).reduce((max, r) => Math.max(max, r.tsEvent), 0),
  );
  await tx
    .insertInto("feed_ingestion_state")
    .values({ ...dimension, last_event_ts: last })
    .onConflict((c) =>
      c.columns(["source", "subject", "kind", "granularity"]).doUpdateSet({
        last_event_ts: sql`greatest(feed_ingestion_state.last_event_ts, excluded.last_event_ts)`,
        updated_at: sql`now()`,
      }),
    )
    .execute();
  await sql`select pg_notify(${FEED_CHANNEL}, ${JSON.stringify(dimension)})`.execute(tx);
}

/** When the newest stored record of a stream begins, epoch ms; null: none was ever stored. */
export async function watermark(db: Queryable, dimension: Dimension): Promise<number | null> {
  const row = await whereDimension(
    db.selectFrom("feed_ingestion_state").select("last_event_ts"),
    dimension,
  ).executeTakeFirst();
  return row ? row.last_event_ts.getTime() : null;
}

interface DimensionFilter<Q> {
  where(column: "source" | "subject" | "kind" | "granularity", op: "=", value: string): Q;
}
const whereDimension = <Q extends DimensionFilter<Q>>(query: Q, d: Dimension): Q =>
  query
    .where("source", "=", d.source)
    .where("subject", "=", d.subject)
    .where("kind", "=", d.kind)
    .where("granularity", "=", d.granularity);

const toRecord =
  (d: Dimension) =>
  (row: {
    ts_event: Date;
    event_id: string;
    values_jsonb: Record<string, unknown>;
    meta_jsonb: Record<string, unknown>;
  }): FeedRecord => ({
    ...dimensionOf(d),
    tsEvent: row.ts_event.getTime(),
    eventId: row.event_id,
    values: row.values_jsonb as Record<string, number>,
    meta: row.meta_jsonb,
  });

/** The newest `limit` records that begin before `beforeMs` (and not before `sinceMs`), ascending. */
export async function newestRecords(
  db: Queryable,
  dimension: Dimension,
  range: { beforeMs: number; sinceMs?: number; limit: number },
): Promise<FeedRecord[]> {
  let query = whereDimension(
    db.selectFrom("feed_records").select(["ts_event", "event_id", "values_jsonb", "meta_jsonb"]),
    dimension,
  )
    .where("ts_event", "<", new Date(range.beforeMs))
    .orderBy("ts_event", "desc")
    .orderBy("event_id", "desc")
    .limit(range.limit);
  if (range.sinceMs !== undefined) query = query.where("ts_event", ">=", new Date(range.sinceMs));
  return (await query.execute()).reverse().map(toRecord(dimension));
}

export interface FeedSummary extends Dimension {
  record_count: number;
  oldest_ts: Date | null;
  newest_ts: Date | null;
  watermark_ts: Date;
  watermark_updated_at: Date;
}

const MOST_STREAMS = 200;

/** Every stream with what is stored of it. Counting reads an index over all its records: share the answer between callers. */
export async function feedSummaries(db: Queryable): Promise<FeedSummary[]> {
  const { rows } = await sql<FeedSummary>`
    select w.source, w.subject, w.kind, w.granularity, coalesce(r.n, 0)::int as record_count, r.oldest as oldest_ts, r.newest as newest_ts,
      w.last_event_ts as watermark_ts, w.updated_at as watermark_updated_at
    from feed_ingestion_state w
    left join (
      select source, subject, kind, granularity, count(*) as n, min(ts_event) as oldest, max(ts_event) as newest
      from feed_records group by source, subject, kind, granularity
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
