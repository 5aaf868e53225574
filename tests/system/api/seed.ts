import { sql } from "kysely";
import type { Database } from "../../../db/database.ts";
import { ensurePartitions } from "../../../db/partitions.ts";
import type { PredictionStatus } from "../../../db/schema.ts";
import type { CheckpointPhase } from "../../../domain/checkpoint.ts";
import { inputId, predictionId, roundId, scoreId } from "../../../domain/ids.ts";
import type { RoundStatus } from "../../../domain/round.ts";
import { seedWindow } from "./seed-board.ts";
import { seedCheckpoint } from "./seed-checkpoint.ts";
import { CONTRACT, CRUNCH, EVERY_MS, HORIZON_MS, MODELS, SCOPE_KEY, SCORER, WINDOW_MS } from "./seed-models.ts";

export interface Seeded {
  nowMs: number;
  roundIds: string[];
  checkpointIds: string[];
}

export interface SeedOptions {
  nowMs: number;
  rounds: number;
  /** phases that the newest checkpoint goes through after its seal */
  steps?: readonly CheckpointPhase[];
}

const TO_PAID: readonly CheckpointPhase[] = [
  "AWAITING_APPROVAL",
  "PLANNED",
  "SIGNED",
  "SENT",
  "PLANNED",
  "SIGNED",
  "SENT",
  "SEEN",
  "FINAL",
  "CLAIMABLE",
  "PAYING",
  "PAID",
];

/** A competition that has run for `rounds` rounds until now, with windows, a leaderboard and two checkpoints. */
export async function seed(db: Database, { nowMs, rounds, steps = TO_PAID }: SeedOptions): Promise<Seeded> {
  const lastDue = Math.floor(nowMs / EVERY_MS) * EVERY_MS;
  const dueTimes = Array.from({ length: rounds }, (_, i) => lastDue - (rounds - 1 - i) * EVERY_MS);
  for (const table of ["predictions", "scores", "feed_records"] as const)
    await ensurePartitions(db, table, dueTimes[0]! - 60_000, nowMs);
  await seedModels(db);
  await seedFeed(db, nowMs);
  const roundIds: string[] = [];
  for (const [i, dueMs] of dueTimes.entries()) roundIds.push(await seedRound(db, dueMs, nowMs, i));
  const endMs = Math.floor(nowMs / WINDOW_MS) * WINDOW_MS;
  const windows = Math.min(10, Math.max(2, Math.floor((rounds * EVERY_MS) / WINDOW_MS)));
  for (let i = windows - 1; i >= 0; i--) await seedWindow(db, endMs - i * WINDOW_MS, windows - i);
  await db
    .insertInto("scoring_windows")
    .values({ start_at: new Date(endMs), end_at: new Date(endMs + WINDOW_MS), status: "OPEN" })
    .execute();
  const checkpointIds = [
    await seedCheckpoint(db, endMs - 4 * 120_000, TO_PAID),
    await seedCheckpoint(db, endMs - 3 * 120_000, steps),
  ];
  return { nowMs, roundIds, checkpointIds };
}

async function seedModels(db: Database): Promise<void> {
  await db
    .insertInto("models")
    .values(
      MODELS.map((m) => ({
        id: m.id,
        name: m.name,
        deployment_identifier: `dep-${m.id}`,
        player_id: `cruncher-${m.cruncher}`,
        player_name: m.cruncher,
        meta_jsonb: JSON.stringify({ sandbox: "bwrap" }),
      })),
    )
    .execute();
  await db
    .insertInto("models")
    .values({
      id: "__ensemble_mean__",
      name: "mean",
      deployment_identifier: "-",
      player_id: "-",
      player_name: "-",
      virtual: true,
    })
    .execute();
  await db.insertInto("contracts").values({ hash: CONTRACT, body_jsonb: "{}" }).execute();
}

async function seedFeed(db: Database, nowMs: number): Promise<void> {
  const dimension = { source: "replay", subject: "SP500", kind: "candle", granularity: "1s" };
  const last = Math.floor(nowMs / 1_000) * 1_000 - 1_000;
  const values = (i: number) =>
    JSON.stringify({
      open: 1_400 + i / 10,
      high: 1_401 + i / 10,
      low: 1_399 + i / 10,
      close: 1_400.5 + i / 10,
      volume: 1e9,
    });
  await db
    .insertInto("feed_records")
    .values(
      Array.from({ length: 120 }, (_, i) => ({
        ...dimension,
        ts_event: new Date(last - (119 - i) * 1_000),
        ts_ingested: new Date(last - (119 - i) * 1_000 + 1_002),
        values_jsonb: values(i),
      })),
    )
    .execute();
  await sql`
    insert into feed_days select source, subject, kind, granularity, (ts_event at time zone 'UTC')::date, count(*), min(ts_event), max(ts_event)
    from feed_records group by 1, 2, 3, 4, 5`.execute(db);
  await db
    .insertInto("feed_ingestion_state")
    .values({ ...dimension, last_event_ts: new Date(last), updated_at: new Date(last + 1_002) })
    .execute();
}

/** Every seventeenth round has a timeout; the newest few wait for their truth; one was missed. */
async function seedRound(db: Database, dueMs: number, nowMs: number, i: number): Promise<string> {
  const id = roundId({ competition: CRUNCH, scopeKey: SCOPE_KEY, dueMs });
  const resolveAtMs = dueMs + HORIZON_MS;
  const missed = i === 3;
  const scored = !missed && resolveAtMs < nowMs - 1_000;
  const status: RoundStatus = missed ? "MISSED" : scored ? "SCORED" : "WAITING";
  const slow = i % 17 === 7;
  const counts = missed
    ? { called: 0, answered: 0, failed: 0, timed_out: 0, absent: 4 }
    : { called: 4, answered: slow ? 3 : 4, failed: 0, timed_out: slow ? 1 : 0, absent: 0 };
  const scope = JSON.stringify({ subject: "SP500", resolve_horizon_seconds: 20, step_seconds: 5 });
  if (!missed)
    await db
      .insertInto("inputs")
      .values({ id: inputId(id), raw_data_jsonb: "{}", hash: "00", ...(scored ? { status: "RESOLVED" as never } : {}) })
      .execute();
  await db
    .insertInto("rounds")
    .values({
      id,
      scope_key: SCOPE_KEY,
      scope_jsonb: scope,
      due_at: new Date(dueMs),
      deadline_at: new Date(dueMs + 2_000),
      resolve_at: new Date(resolveAtMs),
      give_up_at: new Date(resolveAtMs + 30_000),
      status,
      reason: missed ? "the feed had no data at the due time" : null,
      contract_hash: CONTRACT,
      input_id: missed ? null : inputId(id),
      counts_jsonb: JSON.stringify(counts),
      created_at: new Date(dueMs + 4),
      collected_at: missed ? null : new Date(dueMs + (slow ? 2_006 : 13 + (i % 5))),
      finished_at: scored ? new Date(resolveAtMs + 300) : null,
    })
    .execute();
  const profit = Math.sin(i) / 1_000;
  if (scored)
    await db
      .insertInto("truths")
      .values({
        round_id: id,
        result_jsonb: JSON.stringify({ profit }),
        evidence_jsonb: JSON.stringify({ entry: 1, resolved: 2 }),
        resolved_at: new Date(resolveAtMs),
      })
      .execute();
  await seedPredictions(db, { id, dueMs, resolveAtMs, scored, missed, slow, scope, profit });
  return id;
}

interface SeededRound {
  id: string;
  dueMs: number;
  resolveAtMs: number;
  scored: boolean;
  missed: boolean;
  slow: boolean;
  scope: string;
  profit: number;
}

async function seedPredictions(db: Database, r: SeededRound): Promise<void> {
  const statusOf = (late: boolean): PredictionStatus =>
    r.missed ? "ABSENT" : late ? "TIMEOUT" : r.scored ? "SCORED" : "PENDING";
  const rows = MODELS.map((m, k) => ({ m, k, late: r.slow && m.name === "slow-thinker" }));
  await db
    .insertInto("predictions")
    .values(
      rows.map(({ m, k, late }) => ({
        id: predictionId(r.id, m.id),
        round_id: r.id,
        model_id: m.id,
        deployment_id: `dep-${m.id}`,
        prediction_config_id: `CFG_${SCOPE_KEY}`,
        scope_key: SCOPE_KEY,
        scope_jsonb: r.scope,
        status: statusOf(late),
        reason: r.missed ? "the round was missed" : late ? "did not answer within 2 s" : null,
        exec_time_us: late ? 2_000_000 : 4_000 + k * 900,
        inference_output_jsonb: r.missed || late ? null : JSON.stringify({ value: m.skill * r.profit }),
        performed_at: new Date(r.dueMs + 12),
        resolvable_at: new Date(r.resolveAtMs),
        due_at: new Date(r.dueMs),
      })),
    )
    .execute();
  if (!r.scored) return;
  await db
    .insertInto("scores")
    .values(
      rows.map(({ m, late }) => ({
        id: scoreId(predictionId(r.id, m.id), SCORER),
        prediction_id: predictionId(r.id, m.id),
        round_id: r.id,
        model_id: m.id,
        due_at: new Date(r.dueMs),
        scorer_hash: SCORER,
        result_jsonb: JSON.stringify({ value: m.skill }),
        value: m.skill,
        predicted: m.skill,
        actual: r.profit,
        success: !late,
        failed_reason: late ? "did not answer within 2 s" : null,
        resolved_at: new Date(r.resolveAtMs),
        window_end: null,
      })),
    )
    .execute();
}
