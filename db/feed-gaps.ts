import { type Selectable, sql } from "kysely";
import type { Queryable } from "./database.ts";
import { type Dimension, whereDimension } from "./feeds.ts";
import type { Schema } from "./schema.ts";

/** A span in which records of a stream are missing: [fromMs, untilMs) of their begin, epoch ms. */
export interface Span {
  fromMs: number;
  untilMs: number;
}
/** OPEN: being filled. FILLED: nothing is missing. EMPTY: the source answered, and has nothing there. */
export interface FeedGap extends Span {
  status: "OPEN" | "FILLED" | "EMPTY";
  /** how it was noticed */
  reason: string;
  /** filled up to here; a restart goes on from it */
  cursorMs: number;
  /** records that the source does not have; null: unknown, or a stream without a grid */
  missing: number | null;
  detectedMs: number;
  closedMs: number | null;
}

const toGap = (row: Selectable<Schema["feed_gaps"]>): FeedGap => ({
  fromMs: row.from_ts.getTime(),
  untilMs: row.until_ts.getTime(),
  status: row.status,
  reason: row.reason,
  cursorMs: row.cursor_ts.getTime(),
  missing: row.missing,
  detectedMs: row.detected_at.getTime(),
  closedMs: row.closed_at?.getTime() ?? null,
});

/** Notes a hole; noted before with a nearer end, it grows and is open again. */
export async function noteGap(db: Queryable, dimension: Dimension, span: Span, reason: string): Promise<FeedGap> {
  const from = new Date(span.fromMs);
  const row = await db
    .insertInto("feed_gaps")
    .values({
      ...columnsOf(dimension),
      ...{ from_ts: from, until_ts: new Date(span.untilMs), status: "OPEN", reason, cursor_ts: from },
    })
    .onConflict((c) =>
      c.columns(["source", "subject", "kind", "granularity", "from_ts"]).doUpdateSet({
        until_ts: sql`greatest(feed_gaps.until_ts, excluded.until_ts)`,
        status: sql<"OPEN">`case when excluded.until_ts > feed_gaps.until_ts then 'OPEN' else feed_gaps.status end`,
        closed_at: sql`case when excluded.until_ts > feed_gaps.until_ts then null else feed_gaps.closed_at end`,
      }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
  return toGap(row);
}

const columnsOf = ({ source, subject, kind, granularity }: Dimension): Dimension => ({
  source,
  subject,
  kind,
  granularity,
});

/** Filled up to `cursorMs`: a restart asks the source for the rest only. */
export async function advanceGap(db: Queryable, dimension: Dimension, gap: Span, cursorMs: number): Promise<void> {
  await whereDimension(db.updateTable("feed_gaps").set({ cursor_ts: new Date(cursorMs) }), dimension)
    .where("from_ts", "=", new Date(gap.fromMs))
    .execute();
}

/** Ends a gap: FILLED where no hole is left; what the source does not have is noted as EMPTY, hole by hole. `missing`: records of a hole. */
export async function closeGap(
  db: Queryable,
  dimension: Dimension,
  gap: Span,
  holes: readonly Span[],
  missing: (hole: Span) => number,
): Promise<void> {
  const isFirst = holes[0]?.fromMs === gap.fromMs; // keys are begins: the row of the gap becomes that of its first hole
  const [own, rest] = isFirst ? [holes[0]!, holes.slice(1)] : [null, holes];
  const { numUpdatedRows } = await whereDimension(
    db.updateTable("feed_gaps").set({
      status: own ? "EMPTY" : "FILLED",
      missing: own ? missing(own) : 0,
      closed_at: new Date(),
      ...(own ? { until_ts: new Date(own.untilMs) } : {}),
    }),
    dimension,
  )
    .where("from_ts", "=", new Date(gap.fromMs))
    .where("until_ts", "=", new Date(gap.untilMs)) // it may have grown meanwhile
    .where("status", "=", "OPEN")
    .executeTakeFirstOrThrow();
  if (rest.length === 0 || numUpdatedRows === 0n) return;
  await db
    .insertInto("feed_gaps")
    .values(
      rest.map((hole) => ({
        ...columnsOf(dimension),
        ...{ from_ts: new Date(hole.fromMs), until_ts: new Date(hole.untilMs), cursor_ts: new Date(hole.untilMs) },
        ...{ status: "EMPTY" as const, reason: "the source has nothing there", missing: missing(hole) },
        closed_at: new Date(),
      })),
    )
    .onConflict((c) => c.doNothing())
    .execute();
}

const MOST_GAPS = 1_000;

/** Gaps that are still being filled, the oldest first. */
export async function openGaps(db: Queryable, dimension: Dimension): Promise<FeedGap[]> {
  const rows = await whereDimension(db.selectFrom("feed_gaps").selectAll(), dimension)
    .where("status", "=", "OPEN")
    .orderBy("from_ts")
    .limit(MOST_GAPS)
    .execute();
  return rows.map(toGap);
}

/** Gaps of any status that touch [fromMs, untilMs], the newest first, at most `limit`. */
export async function gapsBetween(
  db: Queryable,
  dimension: Dimension,
  { fromMs, untilMs }: Span,
  limit = MOST_GAPS,
): Promise<FeedGap[]> {
  const rows = await whereDimension(db.selectFrom("feed_gaps").selectAll(), dimension)
    .where("until_ts", ">", new Date(fromMs))
    .where("from_ts", "<=", new Date(untilMs))
    .orderBy("from_ts", "desc")
    .limit(limit)
    .execute();
  return rows.map(toGap);
}

/** Where a stream with a grid of `stepMs` has no records in [fromMs, untilMs), ascending, at most a thousand. */
export async function holesIn(
  db: Queryable,
  dimension: Dimension,
  { fromMs, untilMs }: Span,
  stepMs: number,
): Promise<Span[]> {
  const { source, subject, kind, granularity } = dimension;
  const { rows } = await sql<{ from_ms: number; until_ms: number }>`
    with stored as (
      select (extract(epoch from ts_event) * 1000)::float8 as at from feed_records
      where source = ${source} and subject = ${subject} and kind = ${kind} and granularity = ${granularity}
        and ts_event >= ${new Date(fromMs)} and ts_event < ${new Date(untilMs)}
    ), steps as (
      select lag(at) over (order by at) as before, at from stored
      union all select max(at), ${untilMs} from stored
    )
    select coalesce(before + ${stepMs}, ${fromMs})::float8 as from_ms, at::float8 as until_ms from steps
    where case when before is null then at - ${fromMs} >= ${stepMs} else at - before > ${1.5 * stepMs} end
    order by at limit ${MOST_GAPS}`.execute(db);
  return rows.map((r) => ({ fromMs: r.from_ms, untilMs: r.until_ms }));
}
