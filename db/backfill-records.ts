import { sql } from "kysely";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Database, Queryable } from "./database.ts";
import { type Dimension, daysOf, insertPage, NO_PARTITION, whereDimension } from "./feeds.ts";
import { ensurePartitions, forgetPartitions } from "./partitions.ts";

/** Held shared by whoever writes old records, and alone by whoever takes old partitions away. */
export const HISTORY_LOCK = sql`hashtext('almanac feed history')`;

/** One writer of the day files' index at a time, over all processes. */
export async function withIndexLock<T>(db: Database, work: () => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(hashtext('almanac day files'))`.execute(connection);
    try {
      return await work();
    } finally {
      await sql`select pg_advisory_unlock(hashtext('almanac day files'))`.execute(connection);
    }
  });
}

export interface BackfillPage {
  id: string;
  /** the cursor that was seen when the page was asked for; null: the job has stored nothing yet */
  fromCursorMs: number | null;
  toCursorMs: number;
  records: readonly FeedRecord[];
}

/**
 * Records and the job's cursor in one transaction: a page counts once, whoever fetched it how often. Neither moves the stream's watermark
 * nor is it announced, because the live feed stands elsewhere. Null, and nothing stored: the job is not running or not at that cursor any more.
 */
export async function storeBackfillPage(db: Database, page: BackfillPage): Promise<number | null> {
  try {
    return await storeOnce(db, page);
  } catch (error) {
    if ((error as { code?: string }).code !== NO_PARTITION) throw error;
    forgetPartitions(db, "feed_records"); // retention took one away that this process remembers
    return storeOnce(db, page);
  }
}

async function storeOnce(
  db: Database,
  { id, fromCursorMs, toCursorMs, records }: BackfillPage,
): Promise<number | null> {
  for (const day of new Set(records.map((r) => Math.floor(r.tsEvent / DAY_MS))))
    await ensurePartitions(db, "feed_records", day * DAY_MS, day * DAY_MS);
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock_shared(${HISTORY_LOCK})`.execute(tx);
    const { rows } = await sql`
      update backfill_jobs set cursor_ts = ${new Date(toCursorMs)}, pages_fetched = pages_fetched + 1, updated_at = now()
      where id = ${id} and status = 'running'
        and cursor_ts is not distinct from ${fromCursorMs === null ? null : new Date(fromCursorMs)}::timestamptz
      returning id`.execute(tx);
    if (rows.length === 0) return null;
    const fresh = records.length === 0 ? [] : await insertPage(tx, records);
    if (fresh.length === 0) return 0;
    await countDays(tx, fresh);
    await tx
      .updateTable("backfill_jobs")
      .set((eb) => ({ records_written: sql<number>`${eb.ref("records_written")} + ${fresh.length}` }))
      .where("id", "=", id)
      .execute();
    return fresh.length;
  });
}

const DAY_MS = 86_400_000;

/** @param fresh new records of one stream */
async function countDays(tx: Queryable, fresh: readonly FeedRecord[]): Promise<void> {
  const { source, subject, kind, granularity } = fresh[0]!;
  await sql`
    insert into feed_days as d (source, subject, kind, granularity, day, record_count, first_ts, last_ts)
    select ${source}, ${subject}, ${kind}, ${granularity}, day, n, first_ts, last_ts
    from jsonb_to_recordset(${JSON.stringify(daysOf(fresh))}::jsonb) as x(day date, n bigint, first_ts timestamptz, last_ts timestamptz)
    on conflict (source, subject, kind, granularity, day) do update
    set record_count = d.record_count + excluded.record_count,
      first_ts = least(d.first_ts, excluded.first_ts), last_ts = greatest(d.last_ts, excluded.last_ts)`.execute(tx);
}

interface Place {
  ts: Date;
  id: string;
}

/** Everything that is stored of a stream in [fromMs, untilMs), in order, `chunk` records at a time. */
export async function* recordsBetween(
  db: Queryable,
  stream: Dimension,
  range: { fromMs: number; untilMs: number; chunk: number },
): AsyncGenerator<FeedRecord[]> {
  const { source, subject, kind, granularity } = stream;
  let after: Place | null = null;
  for (;;) {
    const rows: RecordRow[] = await recordsAfter(db, stream, range, after);
    const last = rows.at(-1);
    if (!last) return;
    after = { ts: last.ts_event, id: last.event_id };
    yield rows.map((row) => ({
      ...{ source, subject, kind, granularity, tsEvent: row.ts_event.getTime(), eventId: row.event_id },
      ...{ values: row.values_jsonb as Record<string, number>, meta: row.meta_jsonb },
    }));
    if (rows.length < range.chunk) return;
  }
}

interface RecordRow {
  ts_event: Date;
  event_id: string;
  values_jsonb: Record<string, unknown>;
  meta_jsonb: Record<string, unknown>;
}

function recordsAfter(
  db: Queryable,
  stream: Dimension,
  range: { fromMs: number; untilMs: number; chunk: number },
  after: Place | null,
): Promise<RecordRow[]> {
  const query = whereDimension(
    db.selectFrom("feed_records").select(["ts_event", "event_id", "values_jsonb", "meta_jsonb"]),
    stream,
  )
    .where("ts_event", ">=", after?.ts ?? new Date(range.fromMs))
    .where("ts_event", "<", new Date(range.untilMs))
    .orderBy("ts_event")
    .orderBy(sql`event_id collate "C"`)
    .limit(range.chunk);
  return after === null
    ? query.execute()
    : query
        .where(
          sql<boolean>`(ts_event, event_id collate "C") > (${after.ts}::timestamptz, ${after.id}::text collate "C")`,
        )
        .execute();
}

/** When the first record at or after an instant begins, epoch ms; null: none before `untilMs`. */
export async function firstRecordFrom(
  db: Queryable,
  stream: Dimension,
  range: { fromMs: number; untilMs: number },
): Promise<number | null> {
  const row = await whereDimension(db.selectFrom("feed_records").select("ts_event"), stream)
    .where("ts_event", ">=", new Date(range.fromMs))
    .where("ts_event", "<", new Date(range.untilMs))
    .orderBy("ts_event")
    .limit(1)
    .executeTakeFirst();
  return row ? row.ts_event.getTime() : null;
}
