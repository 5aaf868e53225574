import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { PartitionedTable } from "../db/partitions.ts";
import { type DayPartition, dayPartitions, hasPending } from "../db/retention.ts";
import {
  countExpired,
  deleteExpired,
  dropDay,
  dropFeedDay,
  OF_FEEDS,
  OF_ROUNDS,
  OF_SNAPSHOTS,
  withHistoryHeld,
} from "../db/retention-deletes.ts";
import { type Cut, keptDay, type Span } from "../domain/retention.ts";
import { type Cuts, cutsOf, type RetentionSettings } from "./retention-needs.ts";

export interface RetentionDeps {
  db: Database;
  settings: RetentionSettings;
  log: Logger;
  now?: () => number;
}

/** How much went, by table. */
export type RetentionCounts = Record<string, number>;

const DAY_MS = 86_400_000;
const dayStart = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS;
/** Rows that one statement deletes, and statements and days of one pass: a pass is short, and the next one goes on. */
const BATCH = 2_000;
const BATCHES = 20;
const DAYS = 20;

export function createRetentionActivities(deps: RetentionDeps) {
  return {
    /** One bounded pass. `more`: the next one has something to do. */
    async prune(): Promise<{ gone: RetentionCounts; more: boolean }> {
      const gone = await pruneOnce(deps);
      const counts = Object.values(gone);
      if (counts.some((n) => n > 0)) deps.log.info({ ...gone }, "retention");
      return { gone, more: counts.some((n) => n > 0) };
    },
  };
}
export type RetentionActivities = ReturnType<typeof createRetentionActivities>;

async function pruneOnce(deps: RetentionDeps): Promise<RetentionCounts> {
  const cuts = await cutsOf(deps.db, deps.settings, (deps.now ?? Date.now)());
  const gone: RetentionCounts = {};
  // Days only go whole: rounds of a day that stays keep their predictions.
  for (const kind of OF_ROUNDS) gone[kind.what] = await deleteSome(deps, kind, dayStart(cuts.rounds.beforeMs));
  gone.predictions = await dropDays(deps, "predictions", cuts);
  gone.scores = await dropDays(deps, "scores", cuts);
  gone.feed_records = await withHistoryHeld(deps.db, async () =>
    dropDays(deps, "feed_records", await cutsOf(deps.db, deps.settings, (deps.now ?? Date.now)())),
  );
  for (const kind of OF_FEEDS) gone[kind.what] = await deleteSome(deps, kind, cuts.feeds.beforeMs);
  for (const kind of OF_SNAPSHOTS) gone[kind.what] = await deleteSome(deps, kind, cuts.snapshots.beforeMs);
  return gone;
}

type Expiring = Parameters<typeof deleteExpired>[1];

async function deleteSome({ db }: RetentionDeps, kind: Expiring, beforeMs: number): Promise<number> {
  if (!Number.isFinite(beforeMs)) return 0;
  let deleted = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const rows = await deleteExpired(db, kind, beforeMs, BATCH);
    deleted += rows;
    if (rows < BATCH) break;
  }
  return deleted;
}

async function dropDays(deps: RetentionDeps, table: PartitionedTable, cuts: Cuts): Promise<number> {
  let dropped = 0;
  for (const day of await dayPartitions(deps.db, table)) {
    if (dropped === DAYS) break;
    if ((await keepingDay(deps.db, table, day, cuts)) !== null) continue;
    if (table === "feed_records") await dropFeedDay(deps.db, day.dayMs);
    await dropDay(deps.db, table, day);
    deps.log.info({ day: day.name }, "retention: a day was dropped");
    dropped++;
  }
  return dropped;
}

async function keepingDay(
  db: Database,
  table: PartitionedTable,
  day: DayPartition,
  cuts: Cuts,
): Promise<string | null> {
  const span = { fromMs: day.dayMs, untilMs: day.dayMs + DAY_MS };
  const feeds = table === "feed_records";
  const [cut, spans]: [Cut, Span[]] = feeds ? [cuts.feeds, cuts.backfills] : [cuts.rounds, []];
  const kept = keptDay(span, cut, spans);
  if (kept !== null || feeds || day.state !== "attached") return kept;
  return (await hasPending(db, day.dayMs)) ? "a prediction waits for its truth" : null;
}

/** What a pass would do to one table, for people. */
export interface RetentionLine {
  table: string;
  /** older rows have outlived their time to live, epoch ms; null: for ever */
  expiredBeforeMs: number | null;
  goes: { what: string; rows: number }[];
  /** what has outlived its time and is needed all the same */
  stays: { what: string; why: string }[];
}

/** What retention would take away now, and what it would leave although it is old enough. Changes nothing. */
export async function retentionPlan(deps: RetentionDeps): Promise<RetentionLine[]> {
  const { db, settings } = deps;
  const cuts = await cutsOf(db, settings, (deps.now ?? Date.now)());
  const lines: RetentionLine[] = [];
  for (const table of ["predictions", "scores", "feed_records"] as const) lines.push(await planOfDays(db, table, cuts));
  const kinds = [
    ...OF_ROUNDS.map((kind) => ({ kind, cut: { ...cuts.rounds, beforeMs: dayStart(cuts.rounds.beforeMs) } })),
    ...OF_SNAPSHOTS.map((kind) => ({ kind, cut: cuts.snapshots })),
    ...OF_FEEDS.map((kind) => ({ kind, cut: cuts.feeds })),
  ];
  for (const { kind, cut } of kinds) lines.push(await planOfRows(db, kind, cut));
  return lines;
}

async function planOfDays(db: Database, table: PartitionedTable, cuts: Cuts): Promise<RetentionLine> {
  const { expiredBeforeMs } = table === "feed_records" ? cuts.feeds : cuts.rounds;
  const line: RetentionLine = { table, expiredBeforeMs, goes: [], stays: [] };
  for (const day of await dayPartitions(db, table)) {
    const why = await keepingDay(db, table, day, cuts);
    if (why === null) line.goes.push({ what: day.name, rows: day.rows });
    else if (expiredBeforeMs !== null && day.dayMs + DAY_MS <= expiredBeforeMs)
      line.stays.push({ what: day.name, why });
  }
  return line;
}

async function planOfRows(db: Database, kind: Expiring, cut: Cut): Promise<RetentionLine> {
  const line: RetentionLine = { table: kind.what, expiredBeforeMs: cut.expiredBeforeMs, goes: [], stays: [] };
  if (cut.expiredBeforeMs === null) return line;
  const [old, going] = [await countExpired(db, kind, cut.expiredBeforeMs), await countExpired(db, kind, cut.beforeMs)];
  if (going > 0) line.goes.push({ what: `rows before ${new Date(cut.beforeMs).toISOString()}`, rows: going });
  if (old > going && cut.heldBy) line.stays.push({ what: `${old - going} rows`, why: cut.heldBy.what });
  return line;
}
