import { z } from "zod";
import { feedSummaries, feedTail } from "../../db/feed-reports.ts";
import { toIso, toIsoOrNull } from "../contract/common.ts";
import { feedQualityQuery, feedQualityRow, feedRow, feedTailQuery, feedTailRow } from "../contract/feeds.ts";
import type { ApiDeps, App } from "../deps.ts";
import { feedQuality } from "../feed-quality.ts";
import { shareFor } from "../share.ts";

const SUMMARY_SHARE_MS = 1_000;

/** What came in from the markets. */
export function feedRoutes(app: App, { db, now = Date.now }: ApiDeps): void {
  const tags = ["feeds"];
  const summaries = shareFor(SUMMARY_SHARE_MS, () => feedSummaries(db));
  app.get(
    "/reports/feeds",
    {
      config: { tier: "read" },
      schema: {
        operationId: "listFeeds",
        tags,
        summary: "Every stream and what is stored of it",
        response: { 200: z.array(feedRow) },
      },
    },
    async () =>
      (await summaries()).map((feed) => ({
        ...feed,
        oldest_ts: toIsoOrNull(feed.oldest_ts),
        newest_ts: toIsoOrNull(feed.newest_ts),
        watermark_ts: toIso(feed.watermark_ts),
        watermark_updated_at: toIso(feed.watermark_updated_at),
      })),
  );
  app.get(
    "/reports/feeds/quality",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "listFeedQuality",
        tags,
        summary: "How good each stream is: age, gaps, and what was counted against it",
        querystring: feedQualityQuery,
        response: { 200: z.array(feedQualityRow) },
      },
    },
    async ({ query }) => feedQuality(db, query.hours, now()),
  );
  app.get(
    "/reports/feeds/tail",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "getFeedTail",
        tags,
        summary: "The newest records, newest first",
        querystring: feedTailQuery,
        response: { 200: z.array(feedTailRow) },
      },
    },
    async ({ query }) =>
      (await feedTail(db, query)).map(({ ts_event, ts_ingested, values_jsonb, meta_jsonb, ...dimension }) => ({
        ...dimension,
        ts_event: toIso(ts_event),
        ts_ingested: toIso(ts_ingested),
        values: values_jsonb,
        meta: meta_jsonb,
      })),
  );
}
