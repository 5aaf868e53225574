import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import { gapsBetween } from "./feed-gaps.ts";
import { type Dimension, whereDimension } from "./feeds.ts";

/** What is counted of a stream, per hour. */
export interface QualityCount extends Dimension {
  /** duplicate, late, future, refused, correction, reconnect, malformed, skew, rate-limited, disagreement, interrupted */
  event: string;
  count: number;
  /** the newest of them, epoch ms */
  lastMs: number;
  /** what was seen then */
  lastDetail: string;
}

const HOUR_MS = 3_600_000;

/** Adds to the counts of the hour in which each was seen last. */
export async function addQuality(db: Queryable, counts: readonly QualityCount[]): Promise<void> {
  if (counts.length === 0) return;
  await db
    .insertInto("feed_quality")
    .values(
      counts.map((c) => ({
        ...{ source: c.source, subject: c.subject, kind: c.kind, granularity: c.granularity, event: c.event },
        ...{ hour: new Date(Math.floor(c.lastMs / HOUR_MS) * HOUR_MS), last_at: new Date(c.lastMs) },
        ...{ count: c.count, last_detail: c.lastDetail },
      })),
    )
    .onConflict((c) =>
      c.columns(["source", "subject", "kind", "granularity", "hour", "event"]).doUpdateSet({
        count: sql<number>`feed_quality.count + excluded.count`,
        last_at: sql`greatest(feed_quality.last_at, excluded.last_at)`,
        last_detail: sql`case when excluded.last_at >= feed_quality.last_at then excluded.last_detail else feed_quality.last_detail end`,
      }),
    )
    .execute();
}

const MOST_COUNTS = 5_000;

/** Counts since `sinceMs` (whole hours), summed per stream and event; of every stream. */
export async function qualityCounts(db: Queryable, sinceMs: number): Promise<QualityCount[]> {
  const { rows } = await sql<Dimension & { event: string; count: number; last_at: Date; last_detail: string }>`
    select source, subject, kind, granularity, event, sum(count)::float8 as count, max(last_at) as last_at,
      (array_agg(last_detail order by last_at desc))[1] as last_detail
    from feed_quality where hour >= ${new Date(Math.floor(sinceMs / HOUR_MS) * HOUR_MS)}
    group by source, subject, kind, granularity, event order by source, subject, event limit ${MOST_COUNTS}`.execute(
    db,
  );
  return rows.map(({ last_at, last_detail, ...row }) => ({
    ...row,
    lastMs: last_at.getTime(),
    lastDetail: last_detail,
  }));
}

/** Something that speaks against the data of a span. */
export interface QualityIncident {
  /** gap, or a counted event that makes data doubtful */
  what: "gap" | "refused" | "correction" | "disagreement" | "skew";
  /** of the data for a gap; the hour in which it was counted for everything else, epoch ms */
  fromMs: number;
  untilMs: number;
  /** a gap: when it was known and when it was over (null: still open), so that a round can be told whether it met it open */
  detectedMs: number;
  closedMs: number | null;
  /** records that are missing for good, or events counted; null: still unknown */
  count: number | null;
  detail: string;
}

const DOUBTFUL = ["refused", "correction", "disagreement", "skew"] as const;

/** What is known against the data of a stream between two instants, the oldest first: gaps of any status, and hours in which something was counted. */
export async function qualityIncidents(
  db: Queryable,
  dimension: Dimension,
  fromMs: number,
  toMs: number,
): Promise<QualityIncident[]> {
  const gaps = (await gapsBetween(db, dimension, { fromMs, untilMs: toMs })).map((gap) => ({
    ...{ what: "gap" as const, fromMs: gap.fromMs, untilMs: gap.untilMs, detectedMs: gap.detectedMs },
    ...{ closedMs: gap.closedMs, count: gap.missing, detail: `${gap.status}: ${gap.reason}` },
  }));
  const hours = await whereDimension(db.selectFrom("feed_quality").selectAll(), dimension)
    .where("hour", ">", new Date(fromMs - HOUR_MS))
    .where("hour", "<=", new Date(toMs))
    .where("event", "in", [...DOUBTFUL])
    .orderBy("hour")
    .limit(MOST_COUNTS)
    .execute();
  const counted = hours.map((row) => ({
    ...{ what: row.event as (typeof DOUBTFUL)[number], fromMs: row.hour.getTime() },
    ...{ untilMs: row.hour.getTime() + HOUR_MS, detectedMs: row.last_at.getTime(), closedMs: row.last_at.getTime() },
    ...{ count: Number(row.count), detail: row.last_detail },
  }));
  return [...gaps, ...counted].sort((a, b) => a.fromMs - b.fromMs);
}
