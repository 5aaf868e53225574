import type { Client } from "@temporalio/client";
import type { Logger } from "pino";
import type { ScheduledScope } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { dueTimesWithoutRow, insertRound, openRounds, roundById, roundSpan } from "../db/rounds.ts";
import { type HeldSchedule, schedulesSince } from "../db/schedules.ts";
import { roundId } from "../domain/ids.ts";
import { roundDeadline } from "../domain/round.ts";
import { lastDue } from "../domain/schedule.ts";
import type { CalleeRule } from "./callees.ts";
import { jobOf } from "./collect.ts";
import { storeMissed } from "./missed.ts";
import { startRoundWorkflow, startWindowWorkflow } from "./start.ts";
import { openDueWindows, type WindowClock } from "./window-clock.ts";

export interface ReconcileDeps {
  db: Database;
  client: Client;
  competition: string;
  callees: CalleeRule;
  timeoutMs: number;
  clock: WindowClock;
  log: Logger;
  now?: () => number;
}

/** How much one pass takes on; the next pass takes the rest. */
const PASS = 500;
/** Due times further back are not looked for: by then they were found, or the node did not exist. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** The rows say what is unfinished; a workflow of that id is started, which is a no-op where one still runs. */
export function createReconcileActivities(deps: ReconcileDeps) {
  const { db, client, log } = deps;
  const now = deps.now ?? Date.now;
  return {
    async resumeRounds(): Promise<number> {
      const rounds = await openRounds(db, PASS);
      for (const round of rounds)
        await startRoundWorkflow(client, {
          competition: deps.competition,
          subject: String(round.scope_jsonb.subject),
          input: {
            roundId: round.id,
            dueMs: round.due_at.getTime(),
            deadlineMs: round.deadline_at.getTime(),
            resolveAtMs: round.resolve_at.getTime(),
          },
        });
      return rounds.length;
    },

    /** Due times between the first round and now that have no row become MISSED, each under the cadence that held at the time. */
    async recordMissedRounds(): Promise<number> {
      let missed = 0;
      for (const held of await schedulesSince<ScheduledScope>(db, now() - LOOK_BACK_MS))
        missed += await recordMissed(deps, held, now());
      if (missed > 0) log.warn({ missed }, "due times without a round were recorded as MISSED");
      return missed;
    },

    /** Opens every scoring window that has ended and starts its workflow. */
    async startDueWindows(): Promise<number> {
      const windows = await openDueWindows(db, deps.clock, now(), PASS);
      for (const { start_at, end_at } of windows)
        await startWindowWorkflow(client, deps.competition, { startMs: start_at.getTime(), endMs: end_at.getTime() });
      return windows.length;
    },
  };
}
export type ReconcileActivities = ReturnType<typeof createReconcileActivities>;

async function recordMissed(deps: ReconcileDeps, held: HeldSchedule<ScheduledScope>, nowMs: number): Promise<number> {
  const scope = held.schedule_jsonb;
  const span = await roundSpan(deps.db, scope.scopeKey);
  if (!span) return 0;
  const fromMs = Math.max(span.firstMs, held.from_at.getTime(), lastDue(scope, nowMs - LOOK_BACK_MS));
  // later ones may still be run late
  const toMs = Math.min(nowMs - deps.timeoutMs, (held.until_at?.getTime() ?? Number.POSITIVE_INFINITY) - 1);
  const due = await dueTimesWithoutRow(
    deps.db,
    scope.scopeKey,
    { fromMs: lastDue(scope, fromMs + scope.everyMs - 1), toMs, everyMs: scope.everyMs },
    PASS,
  );
  for (const dueMs of due) await missRound(deps, held, dueMs, "no process was there to collect it");
  return due.length;
}

/** A row for a due time that nobody can run any more, and its ABSENT predictions. */
async function missRound(
  deps: Pick<ReconcileDeps, "db" | "competition" | "callees" | "timeoutMs">,
  { schedule_jsonb: scope, contract_hash: contractHash }: HeldSchedule<ScheduledScope>,
  dueMs: number,
  reason: string,
): Promise<void> {
  const id = roundId({ competition: deps.competition, scopeKey: scope.scopeKey, dueMs });
  const resolveAtMs = dueMs + scope.resolveAfterMs;
  await insertRound(deps.db, {
    id,
    scopeKey: scope.scopeKey,
    scope: scope.scope,
    dueMs,
    resolveAtMs,
    deadlineMs: roundDeadline(dueMs, deps.timeoutMs, resolveAtMs),
    giveUpAtMs: resolveAtMs + scope.giveUpAfterMs,
    contractHash,
    callees: await deps.callees(scope, dueMs),
    status: "COLLECTING",
  });
  const row = await roundById(deps.db, id);
  if (row?.status === "COLLECTING") await storeMissed(deps.db, jobOf(row), reason);
}
