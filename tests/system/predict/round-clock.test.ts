import { pino } from "pino";
import { expect, inject, test } from "vitest";
import { calleeRule } from "../../../activities/callees.ts";
import { createReconcileActivities } from "../../../activities/reconcile.ts";
import { createRoundClock } from "../../../activities/round-clock.ts";
import type { Database } from "../../../db/database.ts";
import { recordSchedules } from "../../../db/schedules.ts";
import { freshDatabase } from "../api/world.ts";
import { agree, announce, CONTRACT, T0 } from "./world.ts";

const MINUTE = 60_000;
const scope = (phaseMs: number) => ({
  ...{ scopeKey: "X", scope: { subject: "X" }, everyMs: MINUTE, phaseMs },
  ...{ resolveAfterMs: MINUTE, giveUpAfterMs: MINUTE },
});
const log = pino({ level: "silent" });

/** A clock over minute candles whose newest was final at `finalMs`. */
function clockOn(db: Database, phaseMs: number, at: { nowMs: number; finalMs: number }) {
  const begun: number[] = [];
  const market = { granularityMs: MINUTE, add: () => undefined, asOf: () => [{ tsFinal: at.finalMs }] };
  const collector = {
    begin: async (job: { dueMs: number }) => {
      begun.push(job.dueMs - T0);
    },
  };
  const clock = createRoundClock({
    ...{ db, market, collector, log, crunchId: "t", headStart: true, timeoutMs: 50_000, now: () => at.nowMs },
    ...{ client: { workflow: { start: async () => undefined } }, fleet: { callAll: async () => new Map() } },
    loaded: { scopes: [scope(phaseMs)], contractHash: CONTRACT },
    callees: calleeRule(db, undefined),
  } as never);
  return { clock, begun };
}

test("a due time between two candles begins when the clock says so, not when the next candle comes", async () => {
  await using fresh = await freshDatabase(inject("postgresUrl"));
  const { db } = fresh;
  await agree(db);
  const at = { nowMs: T0 - 20_000, finalMs: T0 - MINUTE };
  const { clock, begun } = clockOn(db, 20_000, at);
  await clock.onRecords([{ subject: "X" } as never]); // knows the scope from now on
  Object.assign(at, { nowMs: T0, finalMs: T0 });
  await clock.onRecords([{ subject: "X" } as never]);
  begun.length = 0;
  at.nowMs = T0 + 19_999;
  await clock.sweep();
  expect(begun).toEqual([]);
  at.nowMs = T0 + 20_000;
  await clock.sweep();
  await clock.sweep();
  expect(begun).toEqual([20_000]);
  at.nowMs = T0 + 80_000; // the candle that closes at 60 s is late: patience, as ever
  await clock.sweep();
  expect(begun).toEqual([20_000]);
});

test("a changed phase: nothing that was due before the change is begun or recorded as missed under the new one, all under the old one is", async () => {
  await using fresh = await freshDatabase(inject("postgresUrl"));
  const { db } = fresh;
  await agree(db);
  await announce(db, { a: "a1" });
  const at = { nowMs: T0, finalMs: T0 };
  await recordSchedules(db, CONTRACT, [scope(0)], T0 - 1);
  const before = clockOn(db, 0, at);
  await before.clock.onRecords([{ subject: "X" } as never]);
  expect(before.begun).toContain(0);
  // away for three minutes, then back with another phase
  Object.assign(at, { nowMs: T0 + 230_000, finalMs: T0 + 180_000 });
  await recordSchedules(db, CONTRACT, [scope(20_000)], at.nowMs);
  const after = clockOn(db, 20_000, at);
  await after.clock.resume();
  await after.clock.sweep();
  expect(after.begun.filter((ms) => ms > 0)).toEqual([]); // 200 s lay before the change
  Object.assign(at, { nowMs: T0 + 261_000, finalMs: T0 + 240_000 });
  await after.clock.sweep();
  expect(after.begun.filter((ms) => ms > 0)).toEqual([260_000]);
  at.nowMs = T0 + 330_000;
  await after.clock.idle();
  const reconcile = createReconcileActivities({
    ...{ db, log, competition: "t", timeoutMs: 50_000, now: () => at.nowMs, callees: calleeRule(db, undefined) },
    ...{ client: {}, clock: { intervalMs: MINUTE, anchorMs: 0, periodMs: MINUTE } },
  } as never);
  expect(await reconcile.recordMissedRounds()).toBe(3);
  const missed = await db
    .selectFrom("rounds")
    .select("due_at")
    .where("status", "=", "MISSED")
    .orderBy("due_at")
    .execute();
  expect(missed.map((r) => r.due_at.getTime() - T0)).toEqual([60_000, 120_000, 180_000]);
  expect(await reconcile.recordMissedRounds()).toBe(0);
});
