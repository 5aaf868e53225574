import type { z } from "zod";
import type { Database } from "../db/database.ts";
import { qualityCounts } from "../db/feed-quality.ts";
import { type FeedSummary, feedWatermarks, type GapSummary, gapSummaries } from "../db/feed-reports.ts";
import type { Dimension } from "../db/feeds.ts";
import { type OpenCandleRow, openCandles } from "../db/open-candles.ts";
import { granularityMs } from "../domain/granularity.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import type { feedQualityRow } from "./contract/feeds.ts";
import { feedState } from "./readiness.ts";

type FeedQualityRow = z.output<typeof feedQualityRow>;

const HOUR_MS = 3_600_000;
const keyOf = ({ source, subject, kind, granularity }: Dimension): string =>
  JSON.stringify([source, subject, kind, granularity]);
const dimensionOf = ({ source, subject, kind, granularity }: Dimension): Dimension => ({
  ...{ source, subject, kind, granularity },
});

/** Every stream of which anything is known: records, gaps or counts, those of a source that never answered included. */
export async function feedQuality(db: Database, hours: number, nowMs: number): Promise<FeedQualityRow[]> {
  const since = new Date(nowMs - hours * HOUR_MS);
  const [marks, gaps, counts, open] = await Promise.all([
    feedWatermarks(db),
    gapSummaries(db, since),
    qualityCounts(db, since.getTime()),
    openCandles(db),
  ]);
  const streams = new Map([...marks, ...gaps, ...counts].map((d) => [keyOf(d), dimensionOf(d)]));
  return [...streams].map(([key, stream]) => ({
    ...stream,
    ...ageOf(stream, marks.find((m) => keyOf(m) === key)?.last_event_ts, nowMs),
    open_candle: openCandleOf(open.find((c) => keyOf(c) === key)),
    gaps: gapsOf(gaps.find((g) => keyOf(g) === key)),
    events: counts
      .filter((c) => keyOf(c) === key)
      .map(({ event, count, lastMs, lastDetail }) => ({
        ...{ event, count, last_at: toIso(new Date(lastMs)), last_detail: lastDetail },
      })),
  }));
}

function ageOf({ kind, granularity }: Dimension, watermark: FeedSummary["watermark_ts"] | undefined, nowMs: number) {
  const lengthMs = granularityMs(granularity);
  const ageMs = watermark ? Math.max(0, nowMs - watermark.getTime() - (kind === "candle" ? lengthMs : 0)) : null;
  return {
    state: feedState(ageMs, lengthMs),
    age_seconds: ageMs === null ? null : ageMs / 1_000,
    watermark_ts: toIsoOrNull(watermark),
  };
}

const openCandleOf = (candle: OpenCandleRow | undefined): FeedQualityRow["open_candle"] =>
  candle
    ? { open: true, ts_event: toIso(candle.ts_event), updated_at: toIso(candle.updated_at), values: candle.values }
    : null;

const gapsOf = (gaps: GapSummary | undefined): FeedQualityRow["gaps"] => ({
  open: gaps?.open ?? 0,
  filled: gaps?.filled ?? 0,
  empty: gaps?.empty ?? 0,
  missing_records: gaps?.missing ?? 0,
  spans: (gaps?.spans ?? []).map((span) => ({
    ...{ from_ts: toIso(span.from_ts), until_ts: toIso(span.until_ts), closed_at: toIsoOrNull(span.closed_at) },
    ...{ status: span.status as "OPEN" | "FILLED" | "EMPTY", reason: span.reason, missing_records: span.missing },
  })),
});
