import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createOpenCandles } from "../../../activities/open-candles.ts";
import { feedQualityRow, feedRow } from "../../../api/contract/feeds.ts";
import type { App } from "../../../api/deps.ts";
import { markOpen } from "../../../feeds/open-candle.ts";
import { serverOn } from "../api/world.ts";
import { at, candle, candles, doubleFeed, freshDatabase, ingestion, log, NOW, streamOf, T0 } from "./world.ts";

let world: Awaited<ReturnType<typeof freshDatabase>>;
let app: App;
beforeAll(async () => {
  world = await freshDatabase();
  app = await serverOn(world.db, NOW, {
    feed: { source: "double", kind: "candle", granularity: "1s", subjects: ["A"] },
  });
});
afterAll(async () => {
  await app?.close();
  await world?.[Symbol.asyncDispose]();
});

const get = async (url: string) => {
  const response = await app.inject({ url });
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};

test("quality per stream: age, gaps with their spans, counts with what was seen last", async () => {
  const stream = streamOf("A");
  const feed = doubleFeed(candles(stream, 0, 20).filter((r) => r.tsEvent !== at(12)));
  const { intake, quality } = ingestion(world.db, stream, { feed });
  await intake.take(candles(stream, 0, 10));
  await intake.take([candle(stream, 15), candle(stream, 15), candle(stream, 16, { values: { close: -1 } })]);
  feed.down = true;
  await intake.take([candle(stream, 30)]);
  await quality.flush();
  const silent = streamOf("B");
  const never = doubleFeed();
  never.down = true;
  await ingestion(world.db, silent, { feed: never, backfillMs: 60_000 }).intake.begin();

  const rows = z.array(feedQualityRow).parse(await get("/reports/feeds/quality"));
  expect(rows.map((r) => [r.subject, r.state])).toEqual([
    ["A", "stale"],
    ["B", "empty"],
  ]);
  expect(rows[0]).toMatchObject({
    age_seconds: (NOW - at(31)) / 1_000,
    watermark_ts: new Date(at(30)).toISOString(),
    gaps: { open: 1, filled: 1, empty: 1, missing_records: 1 },
  });
  expect(rows[0]!.gaps.spans.map((s) => [(Date.parse(s.from_ts) - T0) / 1_000, s.status])).toEqual([
    [16, "OPEN"],
    [12, "EMPTY"],
    [10, "FILLED"],
  ]);
  expect(rows[0]!.events.map((e) => [e.event, e.count])).toEqual([
    ["duplicate", 1],
    ["refused", 1],
  ]);
  expect(rows[0]!.events[1]!.last_detail).toContain("close is -1: a price is above zero");
  expect(rows[1]).toMatchObject({ age_seconds: null, watermark_ts: null, gaps: { open: 1 }, events: [] });
  const feeds = z.array(feedRow).parse(await get("/reports/feeds"));
  expect(feeds).toMatchObject([{ subject: "A", record_count: 16, newest_ts: new Date(at(30)).toISOString() }]);
});

test("an open candle is shown until it is closed, marked as open, and is no record", async () => {
  const stream = streamOf("OPEN");
  const { intake } = ingestion(world.db, stream);
  const open = createOpenCandles({ db: world.db, log });
  const shown = async () => {
    await open.flush();
    const rows = z.array(feedQualityRow).parse(await get("/reports/feeds/quality"));
    return rows.find((row) => row.subject === "OPEN")?.open_candle;
  };
  await intake.take([candle(stream, 0)]);
  expect(await shown()).toBeNull();
  open.observe(markOpen(candle(stream, 1, { values: { close: 7 } })));
  open.observe(markOpen(candle(stream, 1, { values: { close: 8 } })));
  expect(await shown()).toMatchObject({ open: true, ts_event: new Date(at(1)).toISOString(), values: { close: 8 } });
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from feed_records where subject = 'OPEN'`.execute(
    world.db,
  );
  expect(rows[0]!.n).toBe(1);
  await intake.take([candle(stream, 1)]);
  expect(await shown()).toBeNull();
});

test("a wrong number of hours is refused", async () => {
  expect((await app.inject({ url: "/reports/feeds/quality?hours=0" })).statusCode).toBe(422);
});
