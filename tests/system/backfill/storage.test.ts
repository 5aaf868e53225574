import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { backfillById, insertBackfill, listBackfills, moveBackfill } from "../../../db/backfill.ts";
import { recordsBetween, storeBackfillPage } from "../../../db/backfill-records.ts";
import type { Database } from "../../../db/database.ts";
import { storeFeedRecords, watermark } from "../../../db/feeds.ts";
import { ensurePartitions } from "../../../db/partitions.ts";
import { dayPartitions } from "../../../db/retention.ts";
import { dropDay } from "../../../db/retention-deletes.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import { candles, DAY, freshDatabase, MINUTE, T0 } from "./world.ts";

let [db, close]: [Database, () => Promise<void>] = [] as never;
beforeEach(async () => {
  ({ db, close } = await freshDatabase(inject("postgresUrl")));
});
afterEach(() => close());

const job = (id: string, subject = "BTC") => ({ ...candles, id, subject, startMs: T0, endMs: T0 + DAY });
const candle = (tsEvent: number, close = 1): FeedRecord => ({
  ...{ ...candles, tsEvent, eventId: "" },
  ...{ values: { close }, meta: {} },
});
const running = async (id: string) => {
  await insertBackfill(db, job(id));
  expect(await moveBackfill(db, id, "pending", "running")).toBe("moved");
};

describe("jobs", () => {
  test("one open job a stream, however many ask at once; another stream has its own", async () => {
    const asked = await Promise.all(Array.from({ length: 6 }, (_, i) => insertBackfill(db, job(`j${i}`))));
    const created = asked.filter((a) => "created" in a);
    expect(created).toHaveLength(1);
    for (const a of asked) if ("holder" in a) expect(a.holder.id).toBe(created[0]!.created.id);
    expect(await insertBackfill(db, job("other", "ETH"))).toHaveProperty("created");
    expect((await listBackfills(db, { status: "pending", limit: 10 })).map((j) => j.subject).sort()).toEqual([
      ...["BTC", "ETH"],
    ]);
  });

  test("a failed job cannot be resumed while another one has its stream", async () => {
    await running("first");
    await moveBackfill(db, "first", "running", "failed", "the source is gone");
    expect(await insertBackfill(db, job("second"))).toHaveProperty("created");
    expect(await moveBackfill(db, "first", "failed", "running")).toBe("held");
    await moveBackfill(db, "second", "pending", "cancelled");
    expect(await moveBackfill(db, "first", "failed", "running")).toBe("moved");
    expect((await backfillById(db, "first"))?.error).toBeNull();
  });

  test("a step is taken by one of many, from the status that was seen, and only as the table allows", async () => {
    await running("job");
    const moved = await Promise.all(Array.from({ length: 5 }, () => moveBackfill(db, "job", "running", "paused")));
    expect(moved.filter((m) => m === "moved")).toHaveLength(1);
    await expect(moveBackfill(db, "job", "completed", "running")).rejects.toThrow("does not go from completed");
  });
});

describe("a page", () => {
  const page = {
    id: "job",
    fromCursorMs: null,
    toCursorMs: T0 + 2 * MINUTE,
    records: [candle(T0), candle(T0 + MINUTE)],
  };

  test("counts once, whoever stores it how often; the live watermark stays where it is", async () => {
    await running("job");
    await storeFeedRecords(db, [candle(T0 - DAY)]);
    const stored = await Promise.all(Array.from({ length: 4 }, () => storeBackfillPage(db, page)));
    expect(stored.filter((n) => n !== null)).toEqual([2]);
    expect(await backfillById(db, "job")).toMatchObject({
      ...{ records_written: "2", pages_fetched: 1, cursor_ts: new Date(T0 + 2 * MINUTE) },
    });
    expect(await watermark(db, candles)).toBe(T0 - DAY);
    const { rows } = await sql`select day::text, record_count::int from feed_days order by day`.execute(db);
    expect(rows).toEqual([
      { day: "2026-01-14", record_count: 1 },
      { day: "2026-01-15", record_count: 2 },
    ]);
  });

  test("what the live feed stored already is neither counted nor changed", async () => {
    await running("job");
    await storeFeedRecords(db, [candle(T0, 42)]);
    expect(await storeBackfillPage(db, page)).toBe(1);
    const [records] = await Array.fromAsync(recordsBetween(db, candles, { fromMs: T0, untilMs: T0 + DAY, chunk: 10 }));
    expect(records?.map((r) => r.values.close)).toEqual([42, 1]);
  });

  test.each(["paused", "cancelled", "failed"] as const)("of a job that is %s is not stored", async (status) => {
    await running("job");
    await moveBackfill(db, "job", "running", status);
    expect(await storeBackfillPage(db, page)).toBeNull();
    const { rows } = await sql`select 1 from feed_records`.execute(db);
    expect(rows).toEqual([]);
  });

  test("finds its day again after retention took it away", async () => {
    await running("job");
    await ensurePartitions(db, "feed_records", T0, T0);
    const other = await dayPartitions(db, "feed_records");
    await dropDay(db, "feed_records", other.find((d) => d.dayMs === T0)!);
    await ensurePartitions(db, "feed_records", T0, T0); // remembered again, and dropped behind this process's back
    await sql`alter table feed_records detach partition feed_records_20260115`.execute(db);
    expect(await storeBackfillPage(db, page)).toBe(2);
  });
});

test("records come in order, chunk by chunk, each once, trades of one instant included", async () => {
  const trades = Array.from({ length: 50 }, (_, i) => ({
    ...candle(T0 + Math.floor(i / 7)),
    ...{ kind: "trade", eventId: `t${String((i * 37) % 50).padStart(2, "0")}` },
  }));
  await storeFeedRecords(db, trades);
  const stream = { ...candles, kind: "trade" };
  const chunks = await Array.fromAsync(recordsBetween(db, stream, { fromMs: T0, untilMs: T0 + DAY, chunk: 8 }));
  expect(chunks.map((c) => c.length)).toEqual([8, 8, 8, 8, 8, 8, 2]);
  const keys = chunks.flat().map((r) => `${r.tsEvent}/${r.eventId}`);
  expect(keys).toEqual([...new Set(keys)].sort());
  expect(keys).toHaveLength(50);
});
