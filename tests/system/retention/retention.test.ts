import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { createRetentionActivities, retentionPlan } from "../../../activities/retention.ts";
import { insertBackfill, moveBackfill } from "../../../db/backfill.ts";
import type { Database } from "../../../db/database.ts";
import { storeFeedRecords } from "../../../db/feeds.ts";
import { ensurePartitions } from "../../../db/partitions.ts";
import { freshDatabase } from "../backfill/world.ts";
import { BEGIN, createSimulation, DAY, quiet, settings } from "./simulation.ts";

const open: (() => Promise<void>)[] = [];
async function fresh(): Promise<Database> {
  const { db, close } = await freshDatabase(inject("postgresUrl"));
  open.push(close);
  return db;
}
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const rowsOf = async (db: Database, query: string) => (await sql.raw(query).execute(db)).rows;
const oldest = async (db: Database, table: string, column: string): Promise<number> => {
  const [row] = (await rowsOf(db, `select min(${column}) as t from ${table}`)) as { t: Date | null }[];
  return row?.t ? (row.t.getTime() - BEGIN) / DAY : Number.NaN;
};

test("a node that prunes daily and one that never does come to the same boards, snapshots, chain and checkpoints", async () => {
  const [keeping, pruning] = [await fresh(), await fresh()];
  const nodes = [createSimulation(keeping), createSimulation(pruning)];
  for (const node of nodes) {
    await node.start();
    node.delay(BEGIN + 12 * DAY, BEGIN + 26 * DAY); // its truth comes two weeks late: a correction of an old window
  }
  const [other, node] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const sealedThen = new Map<number, string>();
  for (let day = 1; day <= 42; day++) {
    for (let i = 0; i < 4; i++) for (const n of nodes) await n.step();
    const endMs = BEGIN + day * DAY;
    if (day % 7 === 0) sealedThen.set(endMs, (await node.sealed(endMs)).merkleRoot);
    // evidence is written with the seal, but for the second period, whose bundle comes on day 35
    for (const n of nodes) if (day % 7 === 0 && day !== 14) await n.bundle(endMs);
    if (day === 35) for (const n of nodes) await n.bundle(BEGIN + 14 * DAY);
    await node.prune();
    if (day === 20) await firstLook(pruning);
    if (day === 34)
      expect((await node.sealed(BEGIN + 14 * DAY)).merkleRoot, "sealed once more, from what was kept").toBe(
        sealedThen.get(BEGIN + 14 * DAY),
      );
  }
  expect(other.now()).toBe(node.now());

  for (const query of [
    "select window_end, entries_jsonb, meta_jsonb from leaderboards order by window_end desc limit 28",
    "select id, chained_root, snapshot_count from merkle_cycles order by window_end",
    "select id, merkle_root, emission_hash, meta_jsonb from checkpoints order by period_end",
    "select end_at, start_at, counts_jsonb from scoring_windows order by end_at",
    "select model_id, period_end, content_hash from snapshots where window_end > '2026-02-05' order by 1, 2, 3",
  ]) {
    const kept = await rowsOf(keeping, query);
    expect(kept.length).toBeGreaterThan(0);
    expect(await rowsOf(pruning, query)).toEqual(kept);
  }
  const corrected = await rowsOf(pruning, "select counts_jsonb->>'corrections' as n from scoring_windows");
  expect(
    corrected.some((row) => Number((row as { n: string }).n) > 0),
    "the late truth corrected a window",
  ).toBe(true);

  // Everything is bundled and nothing is open: only the times to live, and the last period's seal, hold anything now.
  expect(await oldest(pruning, "predictions", "due_at")).toBe(32);
  expect(await oldest(pruning, "scores", "due_at")).toBe(32);
  expect(await oldest(pruning, "snapshots", "window_end")).toBeGreaterThanOrEqual(27);
  expect(await oldest(pruning, "leaderboards", "window_end")).toBeGreaterThanOrEqual(27);
  expect(await oldest(pruning, "feed_records", "ts_event")).toBeGreaterThanOrEqual(34);
  expect(await rowsOf(pruning, "select 1 from feed_days where day < '2026-02-07'")).toEqual([]);
  expect(await oldest(pruning, "rounds", "due_at"), "the first round says since when it runs").toBe(0);
  const [{ rounds, inputs, truths }] = (await rowsOf(
    pruning,
    "select (select count(*)::int from rounds) as rounds, (select count(*)::int from inputs) as inputs, (select count(*)::int from truths) as truths",
  )) as [{ rounds: number; inputs: number; truths: number }];
  expect(rounds).toBe(10 * 4 + 1);
  expect(inputs).toBe(rounds);
  expect(truths).toBe(rounds - 1); // the newest ones wait
  expect(await oldest(keeping, "predictions", "due_at")).toBe(0);
}, 300_000);

/** Day 20: a round of day 12 waits, and the second period has no bundle. */
async function firstLook(db: Database): Promise<void> {
  expect(await oldest(db, "predictions", "due_at")).toBeLessThanOrEqual(7);
  expect(await oldest(db, "predictions", "due_at")).toBeGreaterThan(4);
  expect(await rowsOf(db, "select status from rounds where status = 'WAITING' and due_at < '2026-01-18'")).toHaveLength(
    1,
  );
}

describe("what is needed stays, and the plan says why", () => {
  let db: Database;
  let node: ReturnType<typeof createSimulation>;
  beforeEach(async () => {
    db = await fresh();
    node = createSimulation(db);
    await node.start();
  });
  const run = async (days: number) => {
    for (let i = 0; i < days * 4; i++) await node.step();
  };
  const short = { ...settings, feedMs: DAY, predictionMs: DAY, snapshotMs: DAY };
  const plan = async () => {
    const lines = await retentionPlan({ db, settings: short, log: quiet, now: node.now });
    return Object.fromEntries(lines.map((line) => [line.table, line]));
  };
  const reasons = async (table: string) => [...new Set((await plan())[table]!.stays.map((s) => s.why))];

  test("an unsealed period, then one without a bundle; the dry run changes nothing", async () => {
    await run(5);
    expect((await plan()).predictions!.goes).toEqual([]);
    await run(11);
    const before = await rowsOf(db, "select count(*) from rounds");
    expect(await reasons("scores")).toEqual(["CKP_20260112_000000 has no evidence bundle yet"]);
    expect((await plan()).rounds!.goes).toEqual([]);
    await node.bundle(BEGIN + 7 * DAY);
    expect(await reasons("scores")).toEqual(["CKP_20260119_000000 has no evidence bundle yet"]);
    expect((await plan()).scores!.goes.map((g) => g.what)).toContain("scores_20260107");
    expect(await rowsOf(db, "select count(*) from rounds")).toEqual(before);
    await node.prune(short);
    const { scores, predictions, rounds } = await plan();
    expect([...scores!.goes, ...predictions!.goes, ...rounds!.goes]).toEqual([]);
  });

  test("an open round, an open dead letter, a prediction that waits", async () => {
    node.delay(BEGIN + 2 * DAY, BEGIN + 90 * DAY);
    await run(21);
    for (const week of [1, 2, 3]) await node.bundle(BEGIN + week * 7 * DAY);
    expect(await reasons("predictions")).toEqual(["a round is not resolved"]);
    await db
      .updateTable("rounds")
      .set({ status: "UNRESOLVABLE" })
      .where("status", "=", "WAITING")
      .where("due_at", "<", new Date(BEGIN + 3 * DAY))
      .execute();
    expect(await reasons("predictions")).toContain("a prediction waits for its truth");
    await sql`update predictions set status = 'UNRESOLVABLE' where status = 'PENDING' and due_at < ${new Date(BEGIN + 3 * DAY)}`.execute(
      db,
    );
    const { id } = await db
      .selectFrom("rounds")
      .select("id")
      .orderBy("due_at")
      .offset(3)
      .limit(1)
      .executeTakeFirstOrThrow();
    await db
      .insertInto("dead_letters")
      .values({ prediction_id: "p", round_id: id, model_id: "m1", stage: "score", error: "x", attempts: 3 })
      .execute();
    expect(await reasons("predictions")).toContain("a dead letter is open");
    await sql`update dead_letters set status = 'EXCUSED'`.execute(db);
    expect((await plan()).predictions!.goes.length).toBeGreaterThan(0);
  });

  test("the newest records that models see, however old; and what a backfill has not filed", async () => {
    const stream = settings.streams[0]!;
    const at = (day: number) => BEGIN - 300 * DAY + day * DAY;
    const record = (tsEvent: number) => ({ ...stream, tsEvent, eventId: "", values: { close: 1 }, meta: {} });
    await storeFeedRecords(
      db,
      [10, 20, 30, 40].map((day) => record(at(day))),
    );
    const days = async () => (await plan()).feed_records!;
    expect((await days()).goes).toEqual([]);
    expect((await days()).stays[0]!.why).toBe("models see it (X)");

    await storeFeedRecords(
      db,
      Array.from({ length: 60 }, (_, i) => record(at(100) + i)),
    );
    expect((await days()).goes).toHaveLength(4);
    await insertBackfill(db, { ...stream, subject: "Y", id: "job", startMs: at(20), endMs: at(31) });
    expect((await days()).goes).toHaveLength(2);
    expect((await days()).stays.map((s) => s.why)).toContain("backfill job has not filed it");
    await moveBackfill(db, "job", "pending", "cancelled");
    await node.prune(short);
    expect(await rowsOf(db, "select distinct ts_event from feed_records where ts_event < '2025-06-10'")).toEqual([]);
    expect(await rowsOf(db, "select count(*)::int as n from feed_records")).toEqual([{ n: 60 }]);
  });

  test("a board that is older than its time to live is still the board of a node that stood still", async () => {
    await run(3);
    const later = () => BEGIN + 400 * DAY;
    const deps = { db, settings: { ...short, longestWindowMs: 7 * DAY }, log: quiet, now: later };
    while ((await createRetentionActivities(deps).prune()).more);
    expect(await rowsOf(db, "select 1 from leaderboards")).not.toEqual([]);
    expect(await rowsOf(db, "select 1 from snapshots")).not.toEqual([]);
  });
});

test("a pass that was interrupted anywhere is finished by the next one", async () => {
  const db = await fresh();
  const node = createSimulation(db);
  const day = (n: number) => BEGIN - n * DAY;
  for (const n of [300, 299, 298]) await ensurePartitions(db, "scores", day(n), day(n));
  await sql.raw("alter table scores detach partition scores_20250311").execute(db); // detached, and not yet dropped
  await node.prune();
  const left = await rowsOf(db, "select relname from pg_class where relname ~ '^scores_2025'");
  expect(left).toEqual([]);
});
