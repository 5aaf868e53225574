import { pino } from "pino";
import { createRetentionActivities } from "../../../activities/retention.ts";
import type { RetentionSettings } from "../../../activities/retention-needs.ts";
import { createScoreActivities } from "../../../activities/round.ts";
import { sealOf } from "../../../activities/seal.ts";
import { createWindowActivities } from "../../../activities/window.ts";
import { openDueWindows } from "../../../activities/window-clock.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import type { Scorer } from "../../../competitions/scorer.ts";
import { insertSealed } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { storeFeedRecords } from "../../../db/feeds.ts";
import { storeCollected } from "../../../db/predictions.ts";
import { insertRound, recordContract } from "../../../db/rounds.ts";
import { resolveRounds } from "../../../db/truths.ts";
import { predictionId, roundId } from "../../../domain/ids.ts";

export const quiet = pino({ level: process.env.TEST_LOG ?? "silent" });
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** A Monday, at which a period begins. */
export const BEGIN = Date.UTC(2026, 0, 5);
const WEEK = 7 * DAY;
const EVERY = 6 * HOUR;
const HORIZON = 9 * HOUR;
const MODELS = ["m1", "m2", "m3"];
const SCOPE = {
  scopeKey: "X-6h",
  scope: { subject: "X", step_seconds: 21_600 },
  everyMs: EVERY,
  resolveAfterMs: HORIZON,
};
const STREAM = { source: "paper", subject: "X", kind: "candle", granularity: "1h" };
const clock = { intervalMs: 12 * HOUR, periodMs: WEEK, anchorMs: BEGIN };
const competition = defineCompetition({
  id: "simulated",
  score: (prediction, truth) => ({ value: prediction.value * truth.profit }),
}) as unknown as Competition;

export const settings: RetentionSettings = {
  ...{ feedMs: 3 * DAY, predictionMs: 10 * DAY, snapshotMs: 15 * DAY, longestWindowMs: WEEK },
  streams: [STREAM],
  windowRecords: 20,
};

/** Numbers that look like chance and are always the same. */
const noise = (...parts: number[]): number => {
  const x = Math.sin(parts.reduce((sum, part, i) => sum + part * (i * 7.31 + 1.7), 0.5)) * 43_758.5453;
  return x - Math.floor(x) - 0.5;
};

/** A node whose clock runs as fast as the database takes it: rounds, windows and checkpoints of the real activities. */
export function createSimulation(db: Database) {
  let nowMs = BEGIN;
  const now = () => nowMs;
  const scorer: Scorer = {
    hash: "simulated",
    scoreBatch: async (items) => items.map((i) => ({ result: competition.score(i.output as never, i.truth as never) })),
  };
  const loaded = { competition } as Parameters<typeof createScoreActivities>[0]["competition"];
  const scores = createScoreActivities({ db, market: null as never, competition: loaded, scorer, now });
  const windows = createWindowActivities({
    db,
    competition,
    scopes: [{ ...SCOPE, giveUpAfterMs: 0 }] as never,
    scorer,
    log: quiet,
    now,
  });
  const late = new Map<string, number>();
  const contract = { ranking: { key: "overall", direction: "desc" as const }, windows: [] };
  const seal = { crunch: "crunch", contract, computeProvider: "", dataProvider: "" };

  async function round(dueMs: number): Promise<void> {
    const id = roundId({ competition: "simulated", scopeKey: SCOPE.scopeKey, dueMs });
    const times = { dueMs, resolveAtMs: dueMs + HORIZON };
    await insertRound(db, {
      ...{ id, ...times, scopeKey: SCOPE.scopeKey, scope: SCOPE.scope, contractHash: "c", status: "COLLECTING" },
      ...{ deadlineMs: dueMs + 1_000, giveUpAtMs: dueMs + 60 * DAY },
    });
    await storeCollected(db, {
      ...{ roundId: id, ...times, scopeKey: SCOPE.scopeKey, scope: SCOPE.scope, configId: `CFG_${SCOPE.scopeKey}` },
      ...{ input: { data: { at: dueMs }, hash: "00" }, performedAtMs: dueMs + 10 },
      predictions: MODELS.map((modelId, m) => {
        const absent = m === 2 && dueMs % (5 * EVERY) === 0;
        return {
          ...{ id: predictionId(id, modelId), modelId, deploymentId: `d-${modelId}`, execTimeUs: 5, meta: {} },
          ...{ status: absent ? ("ABSENT" as const) : ("PENDING" as const), reason: absent ? "away" : null },
          output: absent ? null : { value: noise(dueMs / EVERY, m) },
        };
      }),
      counts: { called: 3, answered: 3, failed: 0, timedOut: 0, absent: 0 } as never,
    });
  }

  async function resolve(): Promise<void> {
    const waiting = await db
      .selectFrom("rounds")
      .select(["id", "due_at"])
      .where("status", "=", "WAITING")
      .where("resolve_at", "<=", new Date(nowMs))
      .orderBy("due_at")
      .execute();
    for (const { id, due_at } of waiting) {
      if ((late.get(id) ?? 0) > nowMs) continue;
      const profit = noise(due_at.getTime() / EVERY, 99);
      const result = { profit, entry_price: 1, resolved_price: 1 + profit, direction_up: profit > 0 };
      await resolveRounds(db, [{ roundId: id, result, evidence: {} }]);
      await scores.scoreRound(id);
    }
  }

  /** A window past its rounds' give-up time is built without them, as its workflow does. */
  async function count(): Promise<void> {
    for (const row of await openDueWindows(db, clock, nowMs, 100))
      await windows.buildWindow({ startMs: row.start_at.getTime(), endMs: row.end_at.getTime() });
  }

  const sealed = (endMs: number) => sealOf(db, localRegistry, seal, { startMs: endMs - WEEK, endMs });
  return {
    now,
    sealed,
    start: async () => {
      await recordContract(db, { hash: "c", body: {}, scopes: [SCOPE] });
      for (const id of MODELS)
        await db
          .insertInto("models")
          .values({
            ...{ id, name: id, deployment_identifier: `d-${id}`, player_id: `p-${id}`, player_name: id },
            created_at: new Date(BEGIN),
          })
          .execute();
    },
    /** The truth of the round that is due at an instant comes only then. */
    delay: (dueMs: number, untilMs: number): void => {
      late.set(roundId({ competition: "simulated", scopeKey: SCOPE.scopeKey, dueMs }), untilMs);
    },
    /** Six hours: records, a round, what resolves, the windows and periods that end. */
    step: async () => {
      await storeFeedRecords(
        db,
        Array.from({ length: 6 }, (_, h) => ({
          ...{
            ...STREAM,
            tsEvent: nowMs + h * HOUR,
            eventId: "",
            values: { close: 1 + noise(nowMs / HOUR + h) },
            meta: {},
          },
        })),
      );
      await round(nowMs);
      nowMs += EVERY;
      await resolve();
      await count();
      if ((nowMs - BEGIN) % WEEK !== 0) return;
      const content = await sealed(nowMs);
      await db.transaction().execute((tx) => insertSealed(tx, content, { actor: "node", cause: "period sealed" }));
    },
    bundle: (endMs: number) =>
      db
        .updateTable("checkpoints")
        .set({ bundle_written_at: new Date(nowMs) })
        .where("period_end", "=", new Date(endMs))
        .execute(),
    prune: async (change: Partial<RetentionSettings> = {}) => {
      const deps = { db, settings: { ...settings, ...change }, log: quiet, now };
      while ((await createRetentionActivities(deps).prune()).more);
    },
  };
}
