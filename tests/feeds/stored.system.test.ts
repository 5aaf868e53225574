import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { ingest } from "../../activities/feed.ts";
import { createQualityLog } from "../../activities/feed-quality.ts";
import { type Database, migrate, openDatabase } from "../../db/database.ts";
import { openBinance } from "../../feeds/binance.ts";
import { createTestDatabase, type TestDatabase } from "../../local/test-postgres.ts";
import { type BinanceServer, startBinanceServer } from "./binance-server.ts";
import { CHAOS_SECONDS, misbehave } from "./chaos.ts";
import { IMPATIENT } from "./listening.ts";

let server: BinanceServer;
let database: TestDatabase;
let db: Database;
beforeEach(async () => {
  server = await startBinanceServer();
  database = await createTestDatabase(
    inject("postgresUrl"),
    async (url) => {
      const template = openDatabase({ url, application: "template" });
      await migrate(template);
      await template.destroy();
    },
    "feeds_stored",
  );
  db = openDatabase({ url: database.url, application: "test" });
});
afterEach(async () => {
  await server.close();
  await db.destroy();
  await database.drop();
});

/** A process that stores candles until it is stopped. */
function storing() {
  const stop = new AbortController();
  const log = pino({ level: "silent" });
  const stream = { source: "binance", kind: "candle", granularity: "1s", subjects: ["XRPETH"], options: {} };
  const quality = createQualityLog({ db, stream, log });
  const feed = openBinance({ ...server.options, ...IMPATIENT, gap_seconds: "0.2" }, quality.observe);
  const spans = { backfillMs: 60_000, keepMs: 30 * 86_400_000 };
  const deps = { db, feed, stream, quality, ...spans, log, onStored: () => undefined, now: server.contentMs };
  const running = ingest(deps, stop.signal);
  return async () => {
    stop.abort();
    await running;
  };
}

const stored = async () => {
  const rows = await db.selectFrom("feed_records").select(["ts_event", "values_jsonb"]).orderBy("ts_event").execute();
  return rows.map((row) => ({ tsEvent: row.ts_event.getTime(), values: row.values_jsonb }));
};

test("what is stored is the truth, though the source misbehaves and the process is started anew", {
  timeout: (CHAOS_SECONDS + 150) * 1_000,
}, async () => {
  await delay(500);
  for (let life = 0; life < 3; life++) {
    const end = storing();
    await misbehave(server.faults, CHAOS_SECONDS / 3, life);
    await end();
    await delay(200); // nobody listens
  }
  const end = storing();
  const reached = server.contentMs();
  const isWhole = async (): Promise<boolean> => {
    const rows = await stored();
    const [first, last] = [rows[0]?.tsEvent ?? 0, rows.at(-1)?.tsEvent ?? 0];
    return last > reached && rows.length === (last - first) / 1_000 + 1;
  };
  for (let tries = 0; tries < 900 && !(await isWhole()); tries++) await delay(100); // a hole that could not be filled is asked for ever more seldom
  await end();
  const rows = await stored();
  const first = server.indexOf({ ...server.truth("candle", "XRPETH", 0), tsEvent: rows[0]!.tsEvent });
  const truth = rows.map((_, i) => server.truth("candle", "XRPETH", first + i));
  expect(rows).toEqual(truth.map(({ tsEvent, values }) => ({ tsEvent, values })));
  expect(rows.at(-1)!.tsEvent).toBeGreaterThan(reached);
  const counted = await db.selectFrom("feed_quality").selectAll().execute();
  expect(counted.length).toBeGreaterThan(0);
});
