import { sql } from "kysely";
import { expect, test } from "vitest";
import { closeToClose } from "../../../competitions/close-to-close.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { contractScorer } from "../../../competitions/scorer.ts";
import { openWindow } from "../../../db/windows.ts";
import { Random } from "../../../domain/random.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import { candle, type DoubleFeed, doubleFeed, ingestion, marketOf, streamOf } from "../feeds/world.ts";
import { collectStory, contract, record, windowsOf } from "./story.ts";
import { HORIZON_MS, MINUTE_MS, type ScoringWorld, scoringActivities, scoringWorld, T0 } from "./world.ts";

/** From the feed's records to the board: the story's rounds, resolved from candles by the standard rule. */
const competition = { ...contract(), resolveTruth: closeToClose } as Competition;
const scorer = contractScorer(competition.score, "scorer-1");
const stream = streamOf("X");
const RECORDS: FeedRecord[] = Array.from({ length: 450 }, (_, i) =>
  candle(stream, i, { tsEvent: T0 - 30_000 + i * 1_000 }),
);

/** Truths asked for after each batch, too early or not. */
const ASKED = 10;

interface Story {
  seed: string;
  /** a record comes up to so many places late; one in five comes twice */
  late: number;
  /** records are taken in batches of up to so many */
  batch: number;
  /** after a batch, both processes begin anew with this chance in 10 */
  restarts: number;
}

/** The first record comes first: what lies before it is nobody's hole. */
function arrivals({ late }: Story, random: Random): FeedRecord[] {
  const [first, ...others] = RECORDS;
  const placed = others.flatMap((r, i) => {
    const once = { r, place: i + random.below(late + 1) };
    return late > 0 && random.below(5) === 0 ? [once, { r: structuredClone(r), place: once.place + 5 }] : [once];
  });
  return [first!, ...placed.sort((a, b) => a.place - b.place).map(({ r }) => r)];
}

const shuffled = <T>(items: readonly T[], random: Random): T[] => {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]!);
};

interface Clocks {
  /** of the feed process: never before what has come */
  feed: number;
  /** of the score process */
  score: number;
}

/** Feed and score process of one life. While the source's history is out of reach, holes stay open. */
async function processes({ db }: ScoringWorld, clocks: Clocks, feed: DoubleFeed) {
  const { intake } = ingestion(db, stream, { feed, now: () => clocks.feed });
  await intake.begin();
  const score = { market: marketOf(db, stream), now: () => clocks.score };
  return { intake, ...scoringActivities(db, competition, scorer, score) };
}

/** Asks for the truths of rounds right after they ended, known or not, in any order; those who must wait are left. */
async function tryTruths(ids: readonly string[], life: Awaited<ReturnType<typeof processes>>, clocks: Clocks) {
  const waiting: string[] = [];
  for (const id of ids) {
    clocks.score = Number(id.split("/").at(-1)) + HORIZON_MS + 1;
    const status = await life.resolveTruth(id).catch((error: Error & { type?: string }) => {
      if (error.type !== "TruthNotReady") throw error;
      return "WAITING";
    });
    if (status === "WAITING") waiting.push(id);
    else await life.scoreRound(id);
  }
  return waiting;
}

async function play(story: Story): Promise<{ world: ScoringWorld; early: number }> {
  const random = new Random(story.seed);
  const world = await scoringWorld(competition);
  const rounds = await collectStory(world);
  const clocks = { feed: T0, score: T0 };
  const feed = doubleFeed(RECORDS);
  let life = await processes(world, clocks, feed);
  let open: readonly string[] = rounds;
  const coming = arrivals(story, random);
  while (coming.length > 0) {
    const batch = coming.splice(0, 1 + random.below(story.batch));
    clocks.feed = Math.max(clocks.feed, ...batch.map((r) => r.tsEvent + 1_000));
    feed.down = random.below(4) > 0;
    await life.intake.take(batch);
    if (random.below(10) < story.restarts) life = await processes(world, clocks, feed);
    if (story.late === 0) continue;
    const asked = shuffled(open, random);
    open = [...asked.splice(ASKED), ...(await tryTruths(asked, life, clocks))];
  }
  const early = rounds.length - open.length;
  feed.down = false;
  await untilFilled(world, life, clocks);
  expect(await tryTruths(open, life, clocks)).toEqual([]);
  for (const { span } of windowsOf(rounds, MINUTE_MS)) {
    await openWindow(world.db, span.startMs, span.endMs);
    await life.buildWindow(span);
  }
  return { world, early };
}

/** What history says is final now. A hole that was asked for in vain many times is asked for ever more seldom. */
async function untilFilled({ db }: ScoringWorld, life: Awaited<ReturnType<typeof processes>>, clocks: Clocks) {
  const openGaps = () => db.selectFrom("feed_gaps").select("from_ts").where("status", "=", "OPEN").execute();
  for (let looks = 0; looks < 60; looks++) {
    clocks.feed += 10_000;
    await life.intake.routine();
    if ((await openGaps()).length === 0) return;
  }
  expect(await openGaps()).toEqual([]);
}

const everything = async ({ db }: ScoringWorld): Promise<string> => {
  const truths =
    await sql`select round_id, result_jsonb, evidence_jsonb from truths order by round_id collate "C"`.execute(db);
  return (await record(db)) + JSON.stringify(truths.rows);
};

test("from records to the board: late, double, in any portions, truths asked for too early, restarts: not a byte differs", async () => {
  const plain = await play({ seed: "plain", late: 0, batch: 450, restarts: 0 });
  await using _plain = plain.world;
  const expected = await everything(plain.world);
  expect(expected.match(/"profit":/g)!.length).toBe(72);
  for (const story of [
    { seed: "a little", late: 3, batch: 40, restarts: 1 },
    { seed: "much", late: 60, batch: 25, restarts: 3 },
  ]) {
    const { world, early } = await play(story);
    await using _world = world;
    expect(early, "rounds that were resolved while records still came").toBeGreaterThan(10);
    expect(await everything(world), story.seed).toBe(expected);
  }
});
