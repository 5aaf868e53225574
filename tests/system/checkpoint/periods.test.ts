import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createCheckpointRunActivities } from "../../../activities/checkpoint-runs.ts";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import type { Database } from "../../../db/database.ts";
import { checkpointWorkflowId, taskQueue } from "../../../domain/ids.ts";
import type { PeriodClock } from "../../../domain/period.ts";
import { Random } from "../../../domain/random.ts";
import { endAll, run } from "./processes.ts";
import { NODE } from "./workers.ts";
import * as w from "./world.ts";

const DAY = 86_400_000;
const MONDAY = Date.UTC(2026, 0, 5);
const WEEKLY: PeriodClock = { anchorMs: MONDAY, intervalMs: 7 * DAY };
const day = (n: number): number => MONDAY + n * DAY;

let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
let db: Database;
let competition: string;
let stop: (() => Promise<void>) | undefined;

beforeAll(async () => {
  temporal = await w.testTemporal();
});
afterAll(() => temporal.close());
beforeEach(async () => {
  competition = w.newCompetition();
  database = await w.testDatabase();
  db = database.db;
});
afterEach(async () => {
  await endAll();
  const open = await db.selectFrom("checkpoints").select("period_end").execute();
  for (const { period_end } of open)
    await temporal.client.workflow
      .getHandle(checkpointWorkflowId(competition, period_end.getTime()))
      .terminate("test over")
      .catch(() => undefined);
  await stop?.();
  stop = undefined;
  await database.close();
});

/** What the schedule does at `nowMs`, on a node with this clock. */
const ensure = (clock: PeriodClock, nowMs: number) =>
  createCheckpointRunActivities({
    ...{ db, client: temporal.client, competition, taskQueue: taskQueue("checkpoint", NODE), log: w.quiet },
    ...{ clock, now: () => nowMs },
  }).ensureCheckpoints();

/** Seals go as far as the approval that nobody gives: no chain is needed. */
async function work(): Promise<void> {
  const chain = createSolanaChain({ rpcUrl: "http://127.0.0.1:9", signer: await w.submitter() });
  stop = (await w.startWorkers({ ...temporal, db, chain, deps: { approvesItself: false } })).stop;
}

const sealed = () =>
  db
    .selectFrom("checkpoints")
    .select(["id", "period_start", "period_end", "phase", "meta_jsonb"])
    .orderBy("period_end")
    .execute();
const spans = async () =>
  (await sealed()).map((row) =>
    [row.period_start.getTime(), row.period_end.getTime()].map((ms) => (ms - MONDAY) / DAY),
  );

/** Passes of the schedule until the time up to `untilMs` is sealed and everybody could be asked. */
const sealedUntil = (untilMs: number, clock: PeriodClock, nowMs: number) =>
  w.eventually(async () => {
    await ensure(clock, nowMs);
    const rows = await sealed();
    const waiting = rows.filter((row) => row.phase !== "AWAITING_APPROVAL");
    if (rows.at(-1)?.period_end.getTime() !== untilMs || waiting.length > 0)
      throw new Error(`sealed: ${JSON.stringify(rows.map(({ id, phase }) => ({ id, phase })))}`);
  }, 90_000);

async function expectTiled(): Promise<void> {
  const rows = await sealed();
  for (const [i, row] of rows.entries()) if (i > 0) expect(row.period_start).toEqual(rows[i - 1]!.period_end);
  const log = await db.selectFrom("checkpoint_log").select("checkpoint_id").orderBy("idx").execute();
  expect(log.map((entry) => entry.checkpoint_id)).toEqual(rows.map((row) => row.id)); // sealed in order, each once
  const counted = rows.reduce((sum, row) => sum + (row.meta_jsonb as unknown as CheckpointMeta).snapshot_count, 0);
  const { rows: held } = await sql<{ count: number }>`
    select count(*)::int from snapshots where window_end <= ${rows.at(-1)!.period_end}`.execute(db);
  expect(counted).toBe(held[0]!.count);
}

test("three weeks of downtime are three checkpoints, in order; changes of the interval leave neither gap nor overlap", async () => {
  for (const week of [0, 7, 14])
    await w.seedPeriod(db, { startMs: day(week), endMs: day(week + 7) }, week === 7 ? 0 : 3);
  expect(await ensure(WEEKLY, day(21) + 60_000)).toEqual({ open: 0, periods: 3 });
  await work();
  await sealedUntil(day(21), WEEKLY, day(21) + 60_000);
  expect(await spans()).toEqual([
    [0, 7],
    [7, 14],
    [14, 21],
  ]);
  await expectTiled();
  expect(await ensure(WEEKLY, day(21) + 60_000)).toEqual({ open: 3, periods: 0 });

  // A week whose windows are late waits to be sealed when the node comes back with another grid: its last period ends at the same instant.
  for (let n = 21; n < 33; n++) await w.seedPeriod(db, { startMs: day(n), endMs: day(n + 1) }, 2, "OPEN");
  expect(await ensure(WEEKLY, day(28))).toMatchObject({ periods: 1 });
  const other: PeriodClock = { anchorMs: day(3), intervalMs: 5 * DAY };
  expect(await ensure(other, day(28) + 1)).toMatchObject({ periods: 2 });
  await db.updateTable("scoring_windows").set({ status: "COMMITTED" }).execute();
  await sealedUntil(day(28), other, day(28) + 1);
  expect([
    [[21, 28]],
    [
      [21, 23],
      [23, 28],
    ],
  ]).toContainEqual((await spans()).slice(3));
  await expectTiled();

  // Shorter than a window of the old grid, and beginning within one of its periods.
  const short: PeriodClock = { anchorMs: day(0) + DAY / 2, intervalMs: DAY };
  await sealedUntil(day(32) + DAY / 2, short, day(33));
  expect((await spans()).at(-5)).toEqual([28, 28.5]);
  await expectTiled();
}, 240_000);

test("clocks that are five minutes fast or slow: periods of ten minutes tile, each is sealed once, and none before its windows are committed (R8, W)", async () => {
  const MINUTE = 60_000;
  const clock: PeriodClock = { anchorMs: MONDAY, intervalMs: 10 * MINUTE };
  for (let m = 0; m < 40; m++)
    await w.seedPeriod(db, { startMs: MONDAY + m * MINUTE, endMs: MONDAY + (m + 1) * MINUTE }, 2, "OPEN");
  await work();
  const random = new Random("clocks");
  for (let minute = 1; minute <= 46; minute += 3) {
    const truly = MONDAY + minute * MINUTE;
    await db
      .updateTable("scoring_windows")
      .set({ status: "COMMITTED" })
      .where("end_at", "<=", new Date(truly))
      .execute();
    await Promise.all([-5, 0, 5].map((off) => ensure(clock, truly + off * MINUTE + random.below(MINUTE))));
    for (const row of await sealed()) expect(row.period_end.getTime()).toBeLessThanOrEqual(truly);
  }
  await sealedUntil(MONDAY + 40 * MINUTE, clock, MONDAY + 45 * MINUTE);
  expect((await sealed()).map((row) => (row.period_end.getTime() - MONDAY) / MINUTE)).toEqual([10, 20, 30, 40]);
  await expectTiled();
}, 240_000);

test("a worker that is killed inside the seal, and one after it, leave one checkpoint and one entry of the log", async () => {
  await w.seedPeriod(db, { startMs: day(0), endMs: day(7) }, 3);
  await w.seedPeriod(db, { startMs: day(7), endMs: day(14) }, 3);
  await ensure(WEEKLY, day(14));
  const settings = {
    ...{ url: database.url, address: temporal.address, namespace: temporal.namespace },
    codePath: temporal.bundle.codePath,
  };
  const worker = (hangsAfterSeal: boolean) => run("seal-worker.ts", { ...settings, hangsAfterSeal });

  // The first one is held up between the row and its entry in the log, and dies there.
  await sql`create function hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(4711); return new; end $$`.execute(
    db,
  );
  await sql`create trigger hold before insert on checkpoint_log for each row execute function hold()`.execute(db);
  const first = worker(true);
  await db.connection().execute(async (holder) => {
    await sql`select pg_advisory_lock(4711)`.execute(holder);
    await w.eventually(async () => {
      const { rows } =
        await sql`select 1 from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`.execute(db);
      if (rows.length === 0) throw new Error("the seal has not come to its log yet");
    }, 60_000);
    await first.kill();
    await sql`select pg_advisory_unlock(4711)`.execute(holder);
  });
  await w.eventually(async () => {
    const { rows } =
      await sql`select 1 from pg_stat_activity where application_name = 'seal worker' and datname = current_database()`.execute(
        db,
      );
    if (rows.length > 0) throw new Error("PostgreSQL has not noticed the death yet");
  });
  expect(await sealed()).toEqual([]);

  // The second one dies between its commit and its answer, the third finds all of it.
  const second = worker(true);
  await second.said("sealed", 90_000);
  await second.kill();
  expect(await spans()).toEqual([[0, 7]]);
  worker(false);
  await sealedUntil(day(14), WEEKLY, day(14));
  await expectTiled();
  const steps = await db.selectFrom("checkpoint_transitions").select(["checkpoint_id", "from_phase"]).execute();
  expect(steps.filter((step) => step.from_phase === "NONE")).toHaveLength(2);
}, 240_000);
