import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRetentionActivities } from "../../../activities/retention.ts";
import { replayScores } from "../../../activities/score-replay.ts";
import { type LoadedCompetition, loadCompetition } from "../../../competitions/load.ts";
import { checkpointLog } from "../../../db/checkpoint-log.ts";
import { roundById } from "../../../db/rounds.ts";
import { bundleName } from "../../../domain/ids.ts";
import { openArchive } from "../../../proofs/verify/archive.ts";
import { type Step, verifyBundle } from "../../../proofs/verify/verify.ts";
import { verifyDeps } from "../../evidence/archive.ts";
import { evidenceWorld, seedRounds } from "../../evidence/world.ts";
import { testDatabase } from "../checkpoint/world.ts";
import { BEGIN, DAY, HOUR, quiet } from "./simulation.ts";

const WEEK = 7 * DAY;
const EVERY = 6 * HOUR;
const WINDOW = 12 * HOUR;
const COMPETITION = resolve(import.meta.dirname, "../../../competitions/realtime/competition.ts");

let [database, loaded, folder]: [Awaited<ReturnType<typeof testDatabase>>, LoadedCompetition, string] = [] as never;
let world: ReturnType<typeof evidenceWorld>;
beforeAll(async () => {
  database = await testDatabase();
  loaded = await loadCompetition(COMPETITION, ["BTC"]);
  folder = await mkdtemp(join(tmpdir(), "almanac-pruned-"));
  world = evidenceWorld(database.db, loaded, folder);
});
afterAll(async () => {
  await database?.close();
  if (folder) await rm(folder, { recursive: true });
});

/** A week of rounds and windows, sealed, signed and bundled; returns the checkpoint's id. */
async function week(n: number): Promise<string> {
  const fromMs = BEGIN + n * WEEK;
  const ids = await seedRounds(database.db, loaded, { models: 4, count: WEEK / EVERY, fromMs, everyMs: EVERY });
  for (const id of ids) await world.score(id);
  for (let startMs = fromMs; startMs < fromMs + WEEK; startMs += WINDOW)
    await world.window({ startMs, endMs: startMs + WINDOW });
  return world.evidence({ startMs: fromMs, endMs: fromMs + WEEK });
}

async function prune(nowMs: number): Promise<void> {
  const settings = {
    feedMs: DAY,
    predictionMs: DAY,
    snapshotMs: DAY,
    longestWindowMs: DAY,
    streams: [],
    windowRecords: 0,
  };
  const { prune: pass } = createRetentionActivities({ db: database.db, settings, log: quiet, now: () => nowMs });
  while ((await pass()).more);
}

const firstOf = async (table: string, column: string): Promise<Date> =>
  (await sql<{ at: Date }>`select min(${sql.ref(column)}) as at from ${sql.table(table)}`.execute(database.db)).rows[0]!
    .at;

async function verified(id: string): Promise<Record<string, string>> {
  const steps: Step[] = [];
  const bytes = Readable.toWeb(createReadStream(join(folder, bundleName(id)))) as never;
  await verifyBundle(openArchive(bytes), verifyDeps({ step: (s) => steps.push(s), contract: undefined }));
  return Object.fromEntries(steps.map((s) => [s.name, s.text]));
}

test("a node that pruned goes on: it seals, replays what it kept, and every bundle verifies, also of what is gone", async () => {
  const [first, second] = [await week(0), await week(1)];
  const scores = (await verified(first)).scores;
  await prune(BEGIN + 3 * WEEK);
  for (const table of ["predictions", "scores"] as const)
    expect((await firstOf(table, "due_at")).getTime(), table).toBeGreaterThan(BEGIN + WEEK);
  expect((await firstOf("snapshots", "window_end")).getTime()).toBeGreaterThan(BEGIN + WEEK);

  const third = await week(2);
  expect((await checkpointLog(database.db)).map((entry) => entry.checkpoint_id)).toEqual([first, second, third]);
  expect((await verified(third)).log).toBe("entry 2 of a tree of 3, signed by almanac/starter-challenge");
  for (const id of [first, second, third])
    expect(await verified(id)).toMatchObject({ scores, ranking: "4 models by value" });

  const kept = await database.db
    .selectFrom("rounds")
    .select("id")
    .where("due_at", ">=", await firstOf("scores", "due_at"))
    .execute();
  expect(kept.length).toBeGreaterThanOrEqual(WEEK / EVERY);
  for (const { id } of kept) {
    const round = (await roundById(database.db, id))!;
    expect(
      await replayScores({ db: database.db, competition: loaded, marketAt: () => ({}) as never }, round),
    ).toMatchObject({
      verdict: "equal",
      difference: null,
    });
  }
}, 180_000);
