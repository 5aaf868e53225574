import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { createCheckpointActivities } from "../../../activities/checkpoint.ts";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import { contractScorer } from "../../../competitions/scorer.ts";
import { checkpointById } from "../../../db/checkpoints.ts";
import { openWindow } from "../../../db/windows.ts";
import { checkpointId } from "../../../domain/ids.ts";
import { Random } from "../../../domain/random.ts";
import {
  MINUTE_MS,
  profitOf,
  type ScoringWorld,
  scoringActivities,
  scoringWorld,
  T0,
  testCompetition,
} from "../scoring/world.ts";
import { quiet } from "./workers.ts";

const EVERY_MS = 10_000;
const MODELS = ["a", "b", "c"];
const PERIOD_MINUTES = 3;
const contract = testCompetition();
const minute = (n: number): number => T0 + n * MINUTE_MS;

/** As Temporal runs them; seals that have to wait are asked for here, and not logged. */
const activity = () => new MockActivityEnvironment({}, { logger: new DefaultLogger("ERROR") });

function sealerOf({ db }: ScoringWorld) {
  const seal = { crunch: "crunch", contract, computeProvider: "", dataProvider: "" };
  const { sealPeriod } = createCheckpointActivities({
    ...{ db, log: quiet, recipients: localRegistry, publicUrl: "", seal },
  });
  const run = (startMs: number, endMs: number) => activity().run(sealPeriod, { startMs, endMs });
  const ranked = async (endMs: number) => {
    const meta = (await checkpointById(db, checkpointId(endMs)))!.meta_jsonb as unknown as CheckpointMeta;
    return new Map(
      meta.ranking.map((m) => [m.model_id, { sum: m.value * m.prediction_count, count: m.prediction_count }]),
    );
  };
  return { run, ranked };
}

/** Its truth, then its scores. */
async function settle(node: Pick<ScoringWorld, "resolveTruth" | "scoreRound">, id: string): Promise<void> {
  await node.resolveTruth(id);
  await node.scoreRound(id);
}

const answers = (model: string, i: number) => ({ value: profitOf(i) * (MODELS.indexOf(model) + 1) });

/** Scores that a window holds, and what they sum to, by model. */
async function scored({ db }: ScoringWorld) {
  const { rows } = await sql<{ model_id: string; sum: number; count: number }>`
    select model_id, sum(value) as sum, count(value)::int as count from scores where current and window_end is not null group by model_id`.execute(
    db,
  );
  return new Map(rows.map(({ model_id, ...of }) => [model_id, of]));
}

test("however late scores come, each is paid in exactly one checkpoint", async () => {
  await using world = await scoringWorld(contract);
  const sealer = sealerOf(world);
  const rounds = await world.collect({ models: MODELS, from: 0, count: 48, everyMs: EVERY_MS, answers });
  const random = new Random("late scores");
  const MINUTES = 15;
  // Most are scored in time, some up to seven minutes late: in a later window, in a later period, or in the one after that.
  const scoredIn = Map.groupBy(rounds, (_, i) => {
    const resolved = Math.floor((i * EVERY_MS + 20_000) / MINUTE_MS);
    return Math.min(MINUTES - 1, resolved + (random.below(10) < 4 ? 1 + random.below(7) : 0));
  });
  const paid = new Map(MODELS.map((id) => [id, { sum: 0, count: 0 }]));
  for (let i = 0; i < MINUTES; i++) {
    for (const id of scoredIn.get(i) ?? []) await settle(world, id);
    await world.build(minute(i), minute(i + 1));
    if ((i + 1) % PERIOD_MINUTES !== 0) continue;
    const endMs = minute(i + 1);
    expect(await sealer.run(minute(i + 1 - PERIOD_MINUTES), endMs)).toMatchObject({ phase: "SEALED" });
    for (const [id, { sum, count }] of await sealer.ranked(endMs)) {
      paid.get(id)!.sum += sum;
      paid.get(id)!.count += count;
    }
    const held = await scored(world); // after every period: nothing is missing, nothing is there twice
    for (const [id, { sum, count }] of held) {
      expect(paid.get(id)!.count, `${id} until minute ${i + 1}`).toBe(count);
      expect(paid.get(id)!.sum).toBeCloseTo(sum, 8);
    }
  }
  expect((await scored(world)).get("a")).toMatchObject({ count: rounds.length });
  const late = await world.db.selectFrom("snapshots").select("id").where("supersedes", "is not", null).execute();
  expect(late.length).toBeGreaterThan(10); // else nothing was late
  const straddling =
    await sql`select from checkpoints a join checkpoints b on a.period_end > b.period_start and a.period_start < b.period_end and a.id <> b.id`.execute(
      world.db,
    );
  expect(straddling.rows).toEqual([]);
});

test("the seal waits ten minutes for the last window, and what comes still later is the next period's", async () => {
  await using world = await scoringWorld(contract);
  const sealer = sealerOf(world);
  const rounds = await world.collect({ models: MODELS, from: 0, count: 12, everyMs: EVERY_MS, answers });
  await sql`update rounds set give_up_at = ${new Date(minute(12) + 1_000)}`.execute(world.db);
  let nowMs = minute(2) + 10_000; // all have resolved
  const node = scoringActivities(world.db, contract, contractScorer(contract.score, "scorer-1"), { now: () => nowMs });
  const [slow, slower] = [rounds[7]!, rounds[8]!]; // both resolve in the second minute
  const isLate = (id: string): boolean => id === slow || id === slower;
  for (const id of rounds.filter((each) => !isLate(each))) await settle(node, id);
  for (const i of [0, 1]) await openWindow(world.db, minute(i), minute(i + 1));
  await node.buildWindow({ startMs: minute(0), endMs: minute(1) });

  for (; nowMs <= minute(12); nowMs += MINUTE_MS) {
    await expect(node.awaitRounds({ startMs: minute(1), endMs: minute(2) })).rejects.toThrow("rounds are open");
    await expect(sealer.run(minute(0), minute(2))).rejects.toMatchObject({ type: "WindowsNotCommitted" });
  }
  await settle(node, slow);
  nowMs = minute(12) + 2_000; // the other one is given up
  await node.awaitRounds({ startMs: minute(1), endMs: minute(2) });
  await node.buildWindow({ startMs: minute(1), endMs: minute(2) });
  await sealer.run(minute(0), minute(2));
  const first = (await sealer.ranked(minute(2))).get("a")!;
  expect(first.count).toBe((await scored(world)).get("a")!.count);

  await settle(node, slower);
  for (const i of [2, 3]) {
    await openWindow(world.db, minute(i), minute(i + 1));
    await node.buildWindow({ startMs: minute(i), endMs: minute(i + 1) });
  }
  await sealer.run(minute(2), minute(4));
  const [then, all] = [(await sealer.ranked(minute(4))).get("a")!, (await scored(world)).get("a")!];
  expect(first.count + then.count).toBe(all.count);
  expect(first.sum + then.sum).toBeCloseTo(all.sum, 8);
  expect((await sealer.ranked(minute(2))).get("a")).toEqual(first); // what is sealed stays
});
