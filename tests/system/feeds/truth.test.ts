import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolutionOf, type TruthDeps } from "../../../activities/truth.ts";
import type { ResolveRequest } from "../../../competitions/competition.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import { readConfig } from "../../../config.ts";
import type { RoundRow } from "../../../db/rounds.ts";
import { truthSourcesOf } from "../../../workers/truth-sources.ts";
import { at, candle, candles, doubleFeed, freshDatabase, ingestion, marketOf, NOW, streamOf } from "./world.ts";

let world: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  world = await freshDatabase();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const score = () => ({ value: 0 });
const roundOf = (subject: string): RoundRow =>
  ({
    ...{
      scope_jsonb: { subject },
      due_at: new Date(at(20)),
      resolve_at: new Date(at(50)),
      give_up_at: new Date(at(90)),
    },
  }) as unknown as RoundRow;
const ask = (subject: string, deps: Partial<TruthDeps>) =>
  resolutionOf(
    {
      competition: defineCompetition({ id: "t", score }),
      market: marketOf(world.db, streamOf(subject)),
      now: () => NOW,
      ...deps,
    },
    roundOf(subject),
  );

test("is settled when the closing candle is final and the publish delay has passed", async () => {
  const stream = streamOf("DELAY");
  const { intake } = ingestion(world.db, stream);
  await intake.take(candles(stream, 0, 49));
  expect(await ask("DELAY", {})).toEqual({ wait: expect.stringContaining("the closing record is not final") });
  await intake.take([candle(stream, 49)]);
  const competition = defineCompetition({ id: "t", score, publishDelayMs: 2_000 });
  expect(await ask("DELAY", { competition, now: () => at(52) - 1 })).toEqual({
    wait: "the truth is settled at 2026-11-20T23:00:52.000Z",
  });
  const [entry, exit] = [candle(stream, 19).values.close!, candle(stream, 49).values.close!];
  expect(await ask("DELAY", { competition, now: () => at(52) })).toMatchObject({
    resolved: { entry_price: entry, resolved_price: exit, profit: (exit - entry) / entry },
    evidence: { source: "double", entry: { subject: "DELAY", ts_final: new Date(at(20)).toISOString() } },
  });
});

test("waits for a hole next to one of its instants, and takes what fills it", async () => {
  const stream = streamOf("HOLE");
  const feed = doubleFeed(candles(stream, 0, 60));
  feed.down = true;
  let now = at(60);
  const { intake } = ingestion(world.db, stream, { feed, now: () => now });
  await intake.take(candles(stream, 0, 46));
  await intake.take(candles(stream, 52, 60));
  expect(await ask("HOLE", {})).toEqual({ wait: expect.stringContaining("is still being filled") });
  feed.down = false;
  now = at(90);
  await intake.routine();
  expect(await ask("HOLE", {})).toMatchObject({ resolved: { resolved_price: candle(stream, 49).values.close } });
});

test("the candle that opens a long horizon is found however many lie behind it", async () => {
  const stream = streamOf("LONG");
  await ingestion(world.db, stream).intake.take(candles(stream, 0, 60));
  const records = await marketOf(world.db, stream).between("LONG", at(19), at(50));
  expect(records.map((r) => r.tsEvent)).toEqual(Array.from({ length: 32 }, (_, i) => at(19 + i)));
});

describe("a resolver of the contract's own", () => {
  test("may take its time, and is told how complete the records are", async () => {
    const stream = streamOf("OWN");
    await ingestion(world.db, stream).intake.take(candles(stream, 0, 60));
    let told: ResolveRequest | undefined;
    const competition = defineCompetition({
      ...{ id: "t", score, stalenessFraction: 0.5 },
      resolveTruth: async (request) => {
        told = request;
        return { unresolvable: "none of it" };
      },
    });
    expect(await ask("OWN", { competition })).toEqual({ unresolvable: "none of it" });
    expect(told).toMatchObject({
      ...{ scope: { subject: "OWN" }, dueMs: at(20), resolveAtMs: at(50), granularityMs: 1_000 },
      ...{ source: "double", knownUntilMs: at(60), deliveredUntilMs: at(60), openGaps: [], stalenessFraction: 0.5 },
    });
    expect(new Set(told!.records.map((r) => r.subject))).toEqual(new Set(["OWN"]));
  });

  test("is never shown records of another subject", async () => {
    const market = marketOf(world.db, streamOf("OWN"));
    const mixed = { ...market, between: () => marketOf(world.db, streamOf("LONG")).between("LONG", at(19), at(50)) };
    expect(await ask("OWN", { market: mixed })).toEqual({
      unresolvable: "double has records of other subjects among those of OWN",
    });
  });
});

describe("a second source", () => {
  const config = readConfig({
    ...{ FEED_SOURCE: "double,second:candle:1s", FEED_SUBJECTS: "ETH,TWO", FEED_SUBJECTS_SECOND: "ETHUSDT,TWOUSDT" },
  });
  const competition = defineCompetition({ id: "t", score, truthSources: { sources: ["second"], maxDeviation: 0.01 } });
  const second = streamOf("TWOUSDT", { source: "second" });

  test("is asked for the same subject under its own name; both must agree", async () => {
    const first = streamOf("TWO");
    await ingestion(world.db, first).intake.take(candles(first, 0, 60));
    const others = truthSourcesOf(config, competition, world.db);
    const early = { competition, others, now: () => at(51) };
    expect(await ask("TWO", early)).toEqual({
      wait: "second: the closing record is not final: known until 1970-01-01T00:00:00.000Z",
    });
    const shifted = candles(second, 0, 60).map((r) => ({
      ...r,
      values: Object.fromEntries(
        Object.entries(r.values).map(([name, v]) => [name, name === "volume" ? v : v * 1.004]),
      ),
    }));
    await ingestion(world.db, second).intake.take(shifted);
    const [a, b] = [candle(first, 19).values.close!, candle(first, 19).values.close! * 1.004];
    expect(await ask("TWO", early)).toMatchObject({
      resolved: { entry_price: (a + b) / 2 },
      evidence: { sources: [{ source: "double" }, { source: "second", entry: { subject: "TWOUSDT" } }] },
    });
    const strict = { ...competition, truthSources: { sources: ["second"], maxDeviation: 0.001 } };
    expect(await ask("TWO", { ...early, competition: strict })).toEqual({
      unresolvable: expect.stringContaining("the sources disagree: double"),
    });
  });

  test("that FEED_SOURCE does not name is a mistake that is told at the start", () => {
    expect(() => truthSourcesOf(readConfig({ FEED_SOURCE: "double" }), competition, world.db)).toThrow(
      "FEED_SOURCE=double: the competition's truthSources also want second",
    );
  });
});
