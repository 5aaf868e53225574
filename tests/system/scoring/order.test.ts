import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { contractScorer, type Scorer } from "../../../competitions/scorer.ts";
import { openWindow } from "../../../db/windows.ts";
import { Random } from "../../../domain/random.ts";
import { collectStory, contract, MODELS, ROUNDS, record, SCOPES, windowsOf } from "./story.ts";
import { MINUTE_MS, type ScoringWorld, scoringWorld } from "./world.ts";

/** Asks the scorer in portions, and in the opposite order. */
function inPortions(scorer: Scorer, size: number): Scorer {
  return {
    hash: scorer.hash,
    async scoreBatch(items) {
      const outcomes = [];
      for (let at = 0; at < items.length; at += size)
        outcomes.push(...(await scorer.scoreBatch(items.slice(at, at + size).toReversed())).toReversed());
      return outcomes;
    },
  };
}

const shuffled = <T>(items: readonly T[], random: Random): T[] => {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]!);
};

interface Story {
  /** what seeds the order in which rounds are resolved and scored */
  seed: string;
  /** how many activities run at once */
  atOnce: number;
  /** every activity is asked this often, at the same time */
  times: number;
  portions: number;
  windowMs: number;
}

async function play(story: Story): Promise<ScoringWorld> {
  const competition = contract();
  const world = await scoringWorld(
    competition,
    inPortions(contractScorer(competition.score, "scorer-1"), story.portions),
  );
  const random = new Random(story.seed);
  const all = await collectStory(world);
  for (const { span, due } of windowsOf(all, story.windowMs)) {
    await eachAtOnce(shuffled(due, random), story, (id) => world.resolveTruth(id));
    await eachAtOnce(shuffled(due, random), story, (id) => world.scoreRound(id));
    await openWindow(world.db, span.startMs, span.endMs);
    await Promise.all(Array.from({ length: story.times }, () => world.buildWindow(span)));
  }
  return world;
}

async function eachAtOnce(ids: readonly string[], story: Story, act: (id: string) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < ids.length; at += story.atOnce)
    await Promise.all(
      ids.slice(at, at + story.atOnce).flatMap((id) => Array.from({ length: story.times }, () => act(id))),
    );
}

const PLAIN: Story = { seed: "in order", atOnce: 1, times: 1, portions: 1_000, windowMs: MINUTE_MS };

describe("scores, snapshots, ensembles, boards and roots are a function of the rows", () => {
  test("order of arrival, duplicates, concurrency and the scorer's batches change no byte", async () => {
    await using plain = await play(PLAIN);
    const expected = await record(plain.db);
    expect(JSON.parse(expected)[0].length).toBeGreaterThan(ROUNDS * SCOPES.length * MODELS.length);
    for (const seed of ["one", "two", "three"]) {
      await using other = await play({ ...PLAIN, seed, atOnce: 8, times: 2, portions: 3 });
      expect(await record(other.db)).toBe(expected);
    }
  });

  test("the length of scoring windows changes no value of the models' windows and no rank", async () => {
    const values = async (world: ScoringWorld) =>
      (await world.board())
        .filter((e) => !e.model_id.startsWith("__"))
        .map(({ model_id, rank, score, by_scope, participation }) => ({
          ...{ model_id, rank, by_scope, participation },
          windows: [score.metrics.short, score.metrics.long, score.metrics.ic, score.metrics.max_drawdown],
        }));
    await using minutes = await play(PLAIN);
    await using halves = await play({ ...PLAIN, windowMs: MINUTE_MS / 2 });
    expect(await values(halves)).toEqual(await values(minutes));
  });

  test("models of equal answers share a rank", async () => {
    await using world = await play(PLAIN);
    const [one, two] = [await world.entry("twin-1"), await world.entry("twin-2")];
    expect(one.rank).toBe(two.rank);
    expect(one.score.metrics).toEqual(two.score.metrics);
  });

  test("a score process that is killed again and again leaves the same bytes", async () => {
    await using plain = await play(PLAIN);
    await using world = await scoringWorld(contract());
    const rounds = await collectStory(world);
    for (const { span } of windowsOf(rounds, MINUTE_MS)) await openWindow(world.db, span.startMs, span.endMs);
    const random = new Random("kills");
    const program = join(import.meta.dirname, "score-all.ts");
    let kills = 0;
    for (let done = false; !done; ) {
      const child = spawn(process.execPath, [program, world.url], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = once(child, "exit");
      await Promise.race([once(child.stdout, "data"), ended]); // it is at work
      await Promise.race([ended, delay(20 + random.below(kills < 8 ? 250 : 60_000), null, { ref: false })]);
      if (child.kill("SIGKILL")) kills++;
      done = (await ended)[0] === 0;
    }
    expect(kills, "killed at work").toBeGreaterThanOrEqual(5);
    expect(await record(world.db)).toBe(await record(plain.db));
  });
});
