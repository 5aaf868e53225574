import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@temporalio/client";
import type { Logger } from "pino";
import type { ScheduledScope } from "../competitions/competition.ts";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Database } from "../db/database.ts";
import { insertRound, openRounds, roundSpan } from "../db/rounds.ts";
import { scheduledSince } from "../db/schedules.ts";
import { roundId } from "../domain/ids.ts";
import { roundDeadline } from "../domain/round.ts";
import { dueTimes, lastDue } from "../domain/schedule.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { FleetClient } from "../models/client/fleet-client.ts";
import type { CalleeRule } from "./callees.ts";
import { inputFor, tickCall } from "./calls.ts";
import { type CollectJob, type Collector, jobOf } from "./collect.ts";
import type { Market } from "./market.ts";
import { startRoundWorkflow } from "./start.ts";

export interface RoundClockDeps {
  db: Database;
  client: Client;
  /** the competition's id in business keys */
  crunchId: string;
  loaded: LoadedCompetition;
  market: Market;
  fleet: FleetClient;
  collector: Collector;
  callees: CalleeRule;
  timeoutMs: number;
  /** collect in-process beside the workflow; without it only the workflow's activity collects */
  headStart: boolean;
  log: Logger;
  now?: () => number;
  /** from the record that closed a due time, just stored, to the commit of its round, seconds */
  onCollected?: (seconds: number) => void;
}

/** Begins the rounds that are due: on the record that closes a due time, or without one when the feed is late. */
export interface RoundClock {
  /** remembers where each scope stands and takes up rounds that an earlier process left */
  resume(): Promise<void>;
  onRecords(records: readonly FeedRecord[]): Promise<void>;
  /** due times that no record announced; call several times a second */
  sweep(): Promise<void>;
  /** settles when no collection of this process is under way */
  idle(): Promise<void>;
}

/** How long a due time waits for the record that closes it: the record's own length and this, at most half the deadline. */
const LATE_RECORD_MS = 2_000;
/** The workflow starts when the collection is over or has lasted this long: its few ms of CPU stay off the critical path. */
const HEAD_START_MS = 25;
/** Older due times than the newest so many are left to reconcile, which records them. */
const CATCH_UP_ROUNDS = 20;
/** Rounds taken up at start: those whose deadline lasts are among the newest. */
const RESUME_LIMIT = 500;

export function createRoundClock(deps: RoundClockDeps): RoundClock {
  const now = deps.now ?? Date.now;
  const begun = new Map<string, number>();
  const open = new Set<Promise<unknown>>();

  const track = (work: Promise<unknown>): void => {
    const entry = work
      .catch((error: unknown) => deps.log.error({ error: String(error) }, "left to the workflow and to reconcile"))
      .finally(() => open.delete(entry));
    open.add(entry);
  };

  /** Row first (it is written), then both: the collection here, and the workflow, which joins it. */
  const run = (job: CollectJob): void => {
    const began = performance.now();
    const { roundId, dueMs, deadlineMs, resolveAtMs } = job;
    const startWorkflow = (): Promise<void> =>
      startRoundWorkflow(deps.client, {
        competition: deps.crunchId,
        subject: job.scope.subject,
        input: { roundId, dueMs, deadlineMs, resolveAtMs },
        eager: true,
      });
    if (!deps.headStart) {
      track(startWorkflow());
      return;
    }
    const collecting = deps.collector.begin(job);
    track(collecting.then(() => deps.onCollected?.((performance.now() - began) / 1_000)));
    track(Promise.race([collecting.catch(() => undefined), delay(HEAD_START_MS)]).then(startWorkflow));
  };

  const begin = async (scope: ScheduledScope, dueMs: number): Promise<void> => {
    const resolveAtMs = dueMs + scope.resolveAfterMs;
    const deadlineMs = roundDeadline(dueMs, deps.timeoutMs, resolveAtMs);
    if (now() >= deadlineMs) return; // reconcile records it as missed
    const job: CollectJob = {
      roundId: roundId({ competition: deps.crunchId, scopeKey: scope.scopeKey, dueMs }),
      scopeKey: scope.scopeKey,
      scope: scope.scope,
      dueMs,
      resolveAtMs,
      deadlineMs,
      callees: await deps.callees(scope, dueMs),
    };
    const row = { ...job, id: job.roundId, giveUpAtMs: resolveAtMs + scope.giveUpAfterMs };
    if (await insertRound(deps.db, { ...row, contractHash: deps.loaded.contractHash, status: "COLLECTING" })) run(job);
  };

  const beginDue = async (scope: ScheduledScope, untilMs: number): Promise<boolean> => {
    const since = begun.get(scope.scopeKey) ?? lastDue(scope, untilMs) - scope.everyMs;
    const due = dueTimes(scope, since, untilMs);
    if (due.length === 0) return false;
    begun.set(scope.scopeKey, due.at(-1)!); // before any await: a sweep must not begin the same one
    for (const dueMs of due.slice(-CATCH_UP_ROUNDS)) await begin(scope, dueMs);
    return true;
  };

  /** Due times between two records wait for nothing: the record before them is their last. */
  const closedUntil = ({ scope: { subject } }: ScheduledScope): number => {
    const newest = deps.market.asOf(subject, now()).at(-1);
    return newest ? Math.min(now(), newest.tsFinal + deps.market.granularityMs - 1) : 0;
  };

  const tick = (subject: string): void => {
    const records = deps.market.asOf(subject, now());
    const newest = records.at(-1);
    if (!newest) return;
    const { competition } = deps.loaded;
    const delivered = Promise.resolve(inputFor(competition, subject, newest.tsFinal, records)).then((input) =>
      deps.fleet.callAll({ calls: [tickCall(competition, subject, input, newest)], deadlineMs: deps.timeoutMs }),
    );
    track(delivered);
  };

  return {
    resume: async () => {
      for (const scope of deps.loaded.scopes) {
        const span = await roundSpan(deps.db, scope.scopeKey);
        const sinceMs = (await scheduledSince(deps.db, scope.scopeKey)) ?? 0; // of another phase, earlier due times are nobody's
        const lateMs = lastDue(scope, now() - deps.timeoutMs) - scope.everyMs;
        if (span) begun.set(scope.scopeKey, Math.max(span.lastMs, sinceMs - 1, lateMs));
      }
      for (const round of (await openRounds(deps.db, RESUME_LIMIT)).filter((r) => r.status === "COLLECTING"))
        run(jobOf(round));
    },
    onRecords: async (records) => {
      deps.market.add(records);
      for (const subject of new Set(records.map((r) => r.subject))) {
        const finalMs = deps.market.asOf(subject, now()).at(-1)?.tsFinal ?? 0;
        const scopes = deps.loaded.scopes.filter((s) => s.scope.subject === subject);
        const anyDue = await Promise.all(scopes.map((scope) => beginDue(scope, finalMs)));
        if (!anyDue.includes(true)) tick(subject);
      }
    },
    sweep: async () => {
      const patience = Math.min(deps.market.granularityMs + LATE_RECORD_MS, deps.timeoutMs / 2);
      for (const scope of deps.loaded.scopes)
        if (begun.has(scope.scopeKey)) await beginDue(scope, Math.max(now() - patience, closedUntil(scope)));
    },
    idle: async () => {
      while (open.size > 0) await Promise.allSettled(open);
    },
  };
}
