import { sql } from "kysely";
import { expect, test } from "vitest";
import { createRetentionActivities } from "../../../activities/retention.ts";
import { replayScores } from "../../../activities/score-replay.ts";
import { checkpointLog } from "../../../db/checkpoint-log.ts";
import { roundById } from "../../../db/rounds.ts";
import { evidenceNode } from "../../evidence/node.ts";
import { seedRounds } from "../../evidence/world.ts";
import { BEGIN, DAY, HOUR, quiet } from "./simulation.ts";

const WEEK = 7 * DAY;
const EVERY = 6 * HOUR;
const WINDOW = 12 * HOUR;
const node = evidenceNode();

/** A week of rounds and windows, sealed, signed and bundled; returns the checkpoint's id. */
async function week(n: number): Promise<string> {
  const fromMs = BEGIN + n * WEEK;
  const ids = await seedRounds(node.db, node.loaded, { models: 4, count: WEEK / EVERY, fromMs, everyMs: EVERY });
  for (const id of ids) await node.world.score(id);
  for (let startMs = fromMs; startMs < fromMs + WEEK; startMs += WINDOW)
    await node.world.window({ startMs, endMs: startMs + WINDOW });
  return node.world.evidence({ startMs: fromMs, endMs: fromMs + WEEK });
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
  const { prune: pass } = createRetentionActivities({ db: node.db, settings, log: quiet, now: () => nowMs });
  while ((await pass()).more);
}

const firstOf = async (table: string, column: string): Promise<Date> =>
  (await sql<{ at: Date }>`select min(${sql.ref(column)}) as at from ${sql.table(table)}`.execute(node.db)).rows[0]!.at;

const verified = async (id: string) => (await node.verified(id)).steps;

test("a node that pruned goes on: it seals, replays what it kept, and every bundle verifies, also of what is gone", async () => {
  const [first, second] = [await week(0), await week(1)];
  const scores = (await verified(first)).scores;
  await prune(BEGIN + 3 * WEEK);
  for (const table of ["predictions", "scores"] as const)
    expect((await firstOf(table, "due_at")).getTime(), table).toBeGreaterThan(BEGIN + WEEK);
  expect((await firstOf("snapshots", "window_end")).getTime()).toBeGreaterThan(BEGIN + WEEK);

  const third = await week(2);
  expect((await checkpointLog(node.db)).map((entry) => entry.checkpoint_id)).toEqual([first, second, third]);
  expect((await verified(third)).log).toBe("entry 2 of a tree of 3, signed by almanac/starter-challenge");
  for (const id of [first, second, third])
    expect(await verified(id)).toMatchObject({ scores, ranking: "4 models by value" });

  const kept = await node.db
    .selectFrom("rounds")
    .select("id")
    .where("due_at", ">=", await firstOf("scores", "due_at"))
    .execute();
  expect(kept.length).toBeGreaterThanOrEqual(WEEK / EVERY);
  for (const { id } of kept) {
    const round = (await roundById(node.db, id))!;
    expect(
      await replayScores({ db: node.db, competition: node.loaded, marketAt: () => ({}) as never }, round),
    ).toMatchObject({
      verdict: "equal",
      difference: null,
    });
  }
}, 180_000);
