import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { afterEach, describe, expect, inject, test } from "vitest";
import { type Database, isMigrated, MigrationError, migrate, openDatabase } from "../../../db/database.ts";
import { newestRecords, storeFeedRecords, watermark } from "../../../db/feeds.ts";
import { MIGRATIONS } from "../../../db/migrations/index.ts";
import { insertRound, moveRound, recordContract, roundById } from "../../../db/rounds.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import { createTestDatabase, type TestDatabase } from "../../../local/test-postgres.ts";

const open: { db: Database; database: TestDatabase }[] = [];
afterEach(async () => {
  for (const { db, database } of open.splice(0)) {
    await db.destroy();
    await database.drop();
  }
});

async function fresh(template: "empty" | "migrated"): Promise<Database> {
  const database = await createTestDatabase(
    inject("postgresUrl"),
    async (url) => {
      if (template === "empty") return;
      const db = openDatabase({ url, application: "template" });
      await migrate(db);
      await db.destroy();
    },
    `storage_${template}`,
  );
  const db = openDatabase({ url: database.url, application: "test" });
  open.push({ db, database });
  return db;
}

describe("migrations", () => {
  test("two at once and once more: each is applied once", async () => {
    const db = await fresh("empty");
    expect(await isMigrated(db)).toBe(false);
    const applied = await Promise.all([migrate(db), migrate(db), migrate(db)]);
    expect(applied.flat().sort()).toEqual(Object.keys(MIGRATIONS).sort());
    expect(await migrate(db)).toEqual([]);
    expect(await isMigrated(db)).toBe(true);
  });

  test("one that fails is named, leaves nothing half done, and the next start goes on", async () => {
    const db = await fresh("empty");
    await sql`create table checkpoints (id text)`.execute(db); // in the way of 004
    const refused = migrate(db);
    await expect(refused).rejects.toBeInstanceOf(MigrationError);
    await expect(refused).rejects.toThrow(
      /004-checkpoints failed and was rolled back; nothing is half done.*already exists/,
    );
    const { rows } =
      await sql`select 1 from information_schema.tables where table_name in ('rounds', 'submissions')`.execute(db);
    expect(rows).toEqual([]);
    await sql`drop table checkpoints`.execute(db);
    expect(await migrate(db)).toEqual(Object.keys(MIGRATIONS));
  });

  test("a server that is not there is its own error, not a failed migration", async () => {
    const db = openDatabase({ url: "postgresql://nobody@127.0.0.1:1/none", application: "test" });
    await expect(migrate(db)).rejects.not.toBeInstanceOf(MigrationError);
    await db.destroy();
  });
});

const record = (tsEvent: number, eventId = "", close = 1): FeedRecord => ({
  ...{ source: "test", subject: "X", kind: eventId ? "trade" : "candle", granularity: "1s" },
  ...{ tsEvent, eventId, values: { close }, meta: {} },
});
const T0 = Date.UTC(2026, 10, 21, 23, 59, 58); // the stretch crosses midnight, and so a partition
const candles = { source: "test", subject: "X", kind: "candle", granularity: "1s" };

describe("feed records", () => {
  test("are stored once; a second arrival changes nothing; the watermark only moves forward", async () => {
    const db = await fresh("migrated");
    expect(
      await storeFeedRecords(
        db,
        [0, 1, 2, 3].map((i) => record(T0 + i * 1_000)),
      ),
    ).toHaveLength(4);
    const again = await storeFeedRecords(db, [record(T0 + 1_000, "", 9), record(T0 + 4_000), record(T0 - 5_000)]);
    expect(again.map((r) => r.tsEvent)).toEqual([T0 + 4_000, T0 - 5_000]);
    expect(await watermark(db, candles)).toBe(T0 + 4_000);
    const stored = await newestRecords(db, candles, { beforeMs: T0 + 60_000, limit: 10 });
    expect(stored.map((r) => r.tsEvent)).toEqual([T0 - 5_000, T0, T0 + 1_000, T0 + 2_000, T0 + 3_000, T0 + 4_000]);
    expect(stored.every((r) => r.values.close === 1)).toBe(true);
  });

  test("trades of one millisecond are told apart by their ids", async () => {
    const db = await fresh("migrated");
    expect(await storeFeedRecords(db, [record(T0, "a"), record(T0, "b"), record(T0, "a")])).toHaveLength(2);
  });

  test("two who store the same records in opposite order do not wait for each other for ever", async () => {
    const db = await fresh("migrated");
    const batch = (k: number) =>
      Array.from({ length: 1_500 }, (_, i) => ({
        ...record(T0 + (k * 1_000 + i) * 1_000),
        subject: i % 2 ? "X" : "Y",
      }));
    for (let k = 0; k < 5; k++) {
      const both = await Promise.all([batch(k), batch(k).toReversed()].map((records) => storeFeedRecords(db, records)));
      expect(both[0]!.length + both[1]!.length).toBe(k === 0 ? 1_500 : 1_000);
    }
  });

  test("records and watermark are one transaction: a batch that is refused leaves neither", async () => {
    const db = await fresh("migrated");
    const broken = { ...record(T0 + 1_000), values: { close: "\u0000" as unknown as number } };
    await expect(storeFeedRecords(db, [record(T0), broken])).rejects.toThrow();
    expect(await watermark(db, candles)).toBeNull();
    expect(await newestRecords(db, candles, { beforeMs: T0 + 60_000, limit: 10 })).toEqual([]);
  });
});

describe("rounds", () => {
  const round = {
    id: "round/t/X/1",
    scopeKey: "X",
    scope: { subject: "X" },
    dueMs: T0,
    deadlineMs: T0 + 1,
    resolveAtMs: T0 + 2,
    giveUpAtMs: T0 + 3,
    contractHash: "h",
  };

  test("one row per due time; a step is taken by one of many, and only from the status that was seen", async () => {
    const db = await fresh("migrated");
    await recordContract(db, {
      hash: "h",
      body: {},
      scopes: [{ scopeKey: "X", scope: { subject: "X" }, everyMs: 5_000, resolveAfterMs: 20_000 }],
    });
    const inserted = await Promise.all(
      Array.from({ length: 5 }, () => insertRound(db, { ...round, status: "COLLECTING" })),
    );
    expect(inserted.filter(Boolean)).toHaveLength(1);
    const moved = await Promise.all(Array.from({ length: 8 }, () => moveRound(db, round.id, "COLLECTING", "WAITING")));
    expect(moved.filter(Boolean)).toHaveLength(1);
    expect(await moveRound(db, round.id, "COLLECTING", "MISSED")).toBe(false);
    await expect(moveRound(db, round.id, "SCORED", "WAITING")).rejects.toThrow(
      "a round does not go from SCORED to WAITING",
    );
    expect((await roundById(db, round.id))?.status).toBe("WAITING");
    const config = await db
      .selectFrom("scheduled_prediction_configs")
      .select(["id", "schedule_jsonb"])
      .executeTakeFirstOrThrow();
    expect(config).toEqual({
      id: "CFG_X",
      schedule_jsonb: { prediction_interval_seconds: 5, resolve_horizon_seconds: 20 },
    });
  });
});

test("a connection that the server ends between two statements of a transaction costs the transaction, not the process", async () => {
  const db = await fresh("migrated");
  const other = await fresh("empty");
  const lost = db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(tx);
    await sql`select pg_terminate_backend(${rows[0]!.pid})`.execute(other);
    await delay(200); // the news arrives while no statement waits for an answer
    await sql`select 1`.execute(tx);
  });
  await expect(lost).rejects.toThrow();
  expect((await sql<{ one: number }>`select 1 one`.execute(db)).rows).toEqual([{ one: 1 }]);
});
