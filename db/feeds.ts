import { sql } from "kysely";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions, forgetPartitions } from "./partitions.ts";
import type { DimensionColumns } from "./schema.ts";

/** The four dimensions that name one stream. */
export type Dimension = DimensionColumns;

/** The channel on which a stored batch is announced; the payload is JSON: the dimension, and where the new records begin. */
export const FEED_CHANNEL = "almanac_feed_records";

const PAGE = 1_000;
const DAY_MS = 86_400_000;
/** PostgreSQL's check_violation: a row has no partition to go to. */
export const NO_PARTITION = "23514";

/**
 * Stores records and moves the watermark in one transaction, and announces it to listening roles. A record that is there already
 * stays as it was. Returns the records that were new.
 */
export async function storeFeedRecords(db: Database, records: readonly FeedRecord[]): Promise<FeedRecord[]> {
  if (records.length === 0) return [];
  try {
    return await storeOnce(db, records);
  } catch (error) {
    if ((error as { code?: string }).code !== NO_PARTITION) throw error;
    forgetPartitions(db, "feed_records"); // retention took one away that this process remembers
    return storeOnce(db, records);
  }
}

async function storeOnce(db: Database, records: readonly FeedRecord[]): Promise<FeedRecord[]> {
  for (const day of new Set(records.map((r) => Math.floor(r.tsEvent / DAY_MS))))
    await ensurePartitions(db, "feed_records", day * DAY_MS, day * DAY_MS);
  return db.transaction().execute(async (tx) => {
    const fresh: FeedRecord[] = [];
    const ordered = inLockOrder(records);
    for (let at = 0; at < ordered.length; at += PAGE)
      fresh.push(...(await insertPage(tx, ordered.slice(at, at + PAGE))));
    for (const dimension of dimensionsOf(ordered).sort((a, b) => byText(a.subject, b.subject))) {
      const own = (r: FeedRecord): boolean => sameDimension(r, dimension);
      await moveWatermark(tx, dimension, ordered.filter(own), fresh.filter(own));
    }
    const isFresh = new Set(fresh);
    return records.filter((r) => isFresh.has(r));
  });
}

/** One order for everybody: live records and those that fill a hole may be the same, and two transactions would wait for each other. */
const inLockOrder = (records: readonly FeedRecord[]): FeedRecord[] =>
  records.toSorted((a, b) => a.tsEvent - b.tsEvent || byText(streamKey(a), streamKey(b)));
const streamKey = (r: FeedRecord): string => `${r.subject}/${r.kind}/${r.granularity}/${r.source}/${r.eventId}`;
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Inserts one page in the caller's transaction; gives back the records that were new. */
export async function insertPage(tx: Queryable, page: readonly FeedRecord[]): Promise<FeedRecord[]> {
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
    .returning(["source", "subject", "kind", "granularity", "ts_event", "event_id"])
    .execute();
  const keys = new Set(stored.map((r) => keyOf(r, r.ts_event.getTime(), r.event_id)));
  return page.filter((r) => keys.delete(keyOf(r, r.tsEvent, r.eventId)));
}

const keyOf = (d: Dimension, tsEvent: number, eventId: string): string =>
  JSON.stringify([d.source, d.subject, d.kind, d.granularity, tsEvent, eventId]);

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

/** One journey for all that follows from new records of a stream: its watermark, its days' counts, the announcement. */
async function moveWatermark(
  tx: Queryable,
  dimension: Dimension,
  arrived: readonly FeedRecord[],
  fresh: readonly FeedRecord[],
): Promise<void> {
  const lastMs = arrived.reduce((max, r) => Math.max(max, r.tsEvent), 0);
  const { source, subject, kind, granularity } = dimension;
  await sql`
    with state as (
      insert into feed_ingestion_state as s (source, subject, kind, granularity, last_event_ts)
      values (${source}, ${subject}, ${kind}, ${granularity}, ${new Date(lastMs)})
      on conflict (source, subject, kind, granularity) do update
      set last_event_ts = greatest(s.last_event_ts, excluded.last_event_ts), updated_at = now()
    ), days as (
      insert into feed_days as d (source, subject, kind, granularity, day, record_count, first_ts, last_ts)
      select ${source}, ${subject}, ${kind}, ${granularity}, day, n, first_ts, last_ts
      from jsonb_to_recordset(${JSON.stringify(daysOf(fresh))}::jsonb)
        as x(day date, n bigint, first_ts timestamptz, last_ts timestamptz)
      on conflict (source, subject, kind, granularity, day) do update
      set record_count = d.record_count + excluded.record_count,
        first_ts = least(d.first_ts, excluded.first_ts), last_ts = greatest(d.last_ts, excluded.last_ts)
    )
    select pg_notify(${FEED_CHANNEL}, ${JSON.stringify({ ...dimension, ...firstOf(fresh) })})`.execute(tx);
}

/** What records add to their days, as rows of feed_days. */
const firstOf = (fresh: readonly FeedRecord[]): { since_ms?: number } =>
  fresh.length === 0 ? {} : { since_ms: fresh.reduce((min, r) => Math.min(min, r.tsEvent), Number.POSITIVE_INFINITY) };

/** How many records each UTC day has. */
export function daysOf(records: readonly FeedRecord[]) {
  const days = Map.groupBy(records, (r) => new Date(r.tsEvent).toISOString().slice(0, 10));
  return [...days].map(([day, own]) => {
    const times = own.map((r) => r.tsEvent);
    const [firstMs, lastMs] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))];
    return { day, n: own.length, first_ts: new Date(firstMs), last_ts: new Date(lastMs) };
  });
}

/** When the newest stored record of a stream begins, epoch ms; null: none was ever stored. */
export async function watermark(db: Queryable, dimension: Dimension): Promise<number | null> {
  const row = await whereDimension(
    db.selectFrom("feed_ingestion_state").select("last_event_ts"),
    dimension,
  ).executeTakeFirst();
  return row ? row.last_event_ts.getTime() : null;
}

/** What is stored under the keys of these records of one stream, by `recordKey`. */
export async function storedValues(
  db: Queryable,
  dimension: Dimension,
  records: readonly FeedRecord[],
): Promise<Map<string, Record<string, unknown>>> {
  const rows = await whereDimension(
    db.selectFrom("feed_records").select(["ts_event", "event_id", "values_jsonb"]),
    dimension,
  )
    .where(
      "ts_event",
      "in",
      [...new Set(records.map((r) => r.tsEvent))].map((ms) => new Date(ms)),
    )
    .execute();
  return new Map(rows.map((r) => [recordKey({ tsEvent: r.ts_event.getTime(), eventId: r.event_id }), r.values_jsonb]));
}

/** Names a record within its stream. */
export const recordKey = (r: Pick<FeedRecord, "tsEvent" | "eventId">): string => `${r.tsEvent}/${r.eventId}`;

interface DimensionFilter<Q> {
  where(column: "source" | "subject" | "kind" | "granularity", op: "=", value: string): Q;
}
export const whereDimension = <Q extends DimensionFilter<Q>>(query: Q, d: Dimension): Q =>
  query
    .where("source", "=", d.source)
    .where("subject", "=", d.subject)
    .where("kind", "=", d.kind)
    .where("granularity", "=", d.granularity);

export const recordOf =
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

/** The newest `limit` records that begin before `beforeMs` (and not before `sinceMs`), ascending; `storedBy`: only those stored by then. */
export async function newestRecords(
  db: Queryable,
  dimension: Dimension,
  range: { beforeMs: number; sinceMs?: number; limit: number; storedBy?: Date | undefined },
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
  if (range.storedBy) query = query.where("ts_ingested", "<=", range.storedBy);
  return (await query.execute()).reverse().map(recordOf(dimension));
}
