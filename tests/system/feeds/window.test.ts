import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inputFor } from "../../../activities/calls.ts";
import { createCollector } from "../../../activities/collect.ts";
import { closeToClose } from "../../../competitions/close-to-close.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import type { LoadedCompetition } from "../../../competitions/load.ts";
import { listenToFeed } from "../../../db/feed-listener.ts";
import { insertRound, recordContract } from "../../../db/rounds.ts";
import type { FeedStream } from "../../../domain/feed-streams.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import type { FleetClient } from "../../../models/client/fleet-client.ts";
import {
  at,
  candle,
  candles,
  doubleFeed,
  freshDatabase,
  ingestion,
  log,
  marketOf,
  STEP,
  streamOf,
  T0,
} from "./world.ts";

let world: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  world = await freshDatabase();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const SIZE = 20;
const competition = defineCompetition({ id: "t", score: () => ({ value: 0 }), subjectNames: { BTCUSDT: "BTC" } });
const bytesOf = (stream: FeedStream, records: Parameters<typeof inputFor>[3], asOfMs: number): string =>
  JSON.stringify(inputFor(competition, stream.subjects[0]!, asOfMs, records));

let subjects = 0;

/** Takes batches in as live records, stopping and starting anew after some; returns what models are shown and what the truth is. */
async function outcomeOf(stream: FeedStream, batches: readonly { records: FeedRecord[]; restart: boolean }[]) {
  const subject = stream.subjects[0]!;
  const feed = doubleFeed(candles(stream, 0, 60));
  let market = marketOf(world.db, stream, SIZE);
  await market.load(subject);
  const start = () =>
    ingestion(world.db, stream, { feed, now: () => at(60), onStored: (records) => market.add(records) }).intake;
  let intake = start();
  for (const { records, restart } of batches) {
    await intake.take(records);
    if (!restart) continue;
    market = marketOf(world.db, stream, SIZE);
    await market.load(subject);
    intake = start();
    await intake.begin();
  }
  await intake.begin(); // what never came is fetched in the end
  const bare = marketOf(world.db, stream, SIZE);
  await bare.load(subject);
  const inputs = await Promise.all(
    [at(60), at(41), at(23), at(7)].map(async (instant) => {
      const shown = bytesOf(stream, await market.windowAt(subject, instant), instant);
      expect(bytesOf(stream, await bare.windowAt(subject, instant), instant)).toBe(shown);
      return shown.replaceAll(subject, "SUBJECT");
    }),
  );
  const request = { scope: { subject }, dueMs: at(20), resolveAtMs: at(50), granularityMs: STEP };
  const truth = closeToClose({
    ...{ ...request, ...(await market.coverage(subject, at(19))) },
    records: await market.between(subject, at(19), at(50)),
  });
  return { inputs, truth: JSON.stringify(truth).replaceAll(subject, "SUBJECT") };
}

test("order of arrival, duplicates, batch sizes, restarts and losses change neither window nor input nor truth", async () => {
  const plain = streamOf("PLAIN");
  const expected = await outcomeOf(plain, [{ records: candles(plain, 0, 60), restart: false }]);
  expect(JSON.parse(expected.inputs[0]!).candles_1s.map((c: { ts: number }) => c.ts)).toEqual(
    Array.from({ length: SIZE }, (_, i) => at(40 + i) / 1_000),
  );
  expect(JSON.parse(expected.inputs[3]!).candles_1s).toHaveLength(7); // older than what memory holds
  expect(expected.truth).toContain('"resolved_price"');
  const arrival = fc.record({
    /** later than the time of the record */
    delay: fc.array(fc.nat(12), { minLength: 60, maxLength: 60 }),
    twice: fc.array(fc.nat(9), { minLength: 60, maxLength: 60 }),
    lost: fc.uniqueArray(fc.integer({ min: 1, max: 58 }), { maxLength: 12 }),
    sizes: fc.array(fc.record({ size: fc.integer({ min: 1, max: 15 }), restart: fc.nat(4) }), { minLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(arrival, async ({ delay, twice, lost, sizes }) => {
      const stream = streamOf(`S${subjects++}`);
      const order = candles(stream, 0, 60)
        .flatMap((record, i) => {
          if (lost.includes(i)) return [];
          const once = { record, place: i + delay[i]! };
          return twice[i] === 0 ? [once, { record: structuredClone(record), place: once.place + 3 }] : [once];
        })
        .sort((a, b) => a.place - b.place)
        .map(({ record }) => record);
      const batches = [];
      for (const { size, restart } of sizes)
        if (order.length > 0) batches.push({ records: order.splice(0, size), restart: restart === 0 });
      batches.push({ records: order, restart: false });
      expect(await outcomeOf(stream, batches)).toEqual(expected);
    }),
    { numRuns: 25, seed: 5, endOnFailure: true },
  );
});

test("models see the subject's own name, and candles under that of their length", async () => {
  const stream = streamOf("BTCUSDT");
  const market = marketOf(world.db, stream, 2);
  market.add(candles(stream, 0, 3));
  const input = inputFor(competition, "BTCUSDT", at(3), market.asOf("BTCUSDT", at(3))) as Record<string, unknown>;
  expect(Object.keys(input)).toEqual(["symbol", "asof_ts", "candles_1s"]);
  expect(input.symbol).toBe("BTC");
});

test("records of other sources, kinds and granularities never enter a window", async () => {
  const stream = streamOf("MIXED");
  const market = marketOf(world.db, stream, 5);
  market.add([
    candle(stream, 0),
    candle(stream, 1, { source: "second" }),
    candle(stream, 2, { kind: "trade" }),
    candle(stream, 3, { granularity: "1m" }),
  ]);
  expect(market.asOf("MIXED", at(100)).map((r) => r.tsEvent)).toEqual([at(0)]);
});

test("an instant that memory no longer reaches is answered whole from the database", async () => {
  const stream = streamOf("REACH", { kind: "trade" });
  const trades = Array.from({ length: 200 }, (_, i) =>
    candle(stream, 0, { tsEvent: T0 + i, eventId: `e${i}`, values: { price: i + 1 } }),
  );
  const market = marketOf(world.db, stream, 10);
  await market.load("REACH");
  await ingestion(world.db, stream, { onStored: (r) => market.add(r) }).intake.take(trades);
  expect(market.asOf("REACH", T0 + 185)).toHaveLength(6); // all that memory has of it
  expect((await market.windowAt("REACH", T0 + 185)).map((r) => r.tsEvent - T0)).toEqual(
    Array.from({ length: 10 }, (_, i) => 176 + i),
  );
});

test("records of one millisecond stand in one order, in memory and in the database", async () => {
  const stream = streamOf("ORDER", { kind: "trade" });
  const ids = ["B", "a", "_", "10", "9", "é", "Z", "a-b", "ab"];
  const market = marketOf(world.db, stream, 20);
  await market.load("ORDER");
  const trades = ids.map((eventId) => candle(stream, 0, { eventId, values: { price: 1 } }));
  await ingestion(world.db, stream, { onStored: (r) => market.add(r) }).intake.take(trades);
  const restarted = marketOf(world.db, stream, 20);
  await restarted.load("ORDER");
  expect(restarted.asOf("ORDER", at(9))).toEqual(market.asOf("ORDER", at(9)));
  expect(market.asOf("ORDER", at(9)).map((r) => r.eventId)).toEqual(ids.toSorted());
});

test("a record that comes after the round was collected does not change its input", async () => {
  const stream = streamOf("LATE");
  const market = marketOf(world.db, stream, 5);
  await market.load("LATE");
  const { intake } = ingestion(world.db, stream, { now: () => at(10), onStored: (r) => market.add(r) });
  await intake.take([0, 1, 2, 4].map((i) => candle(stream, i)));
  const scope = { subject: "LATE" };
  const scopes = [{ scopeKey: "LATE", scope, everyMs: 5_000, resolveAfterMs: 20_000, giveUpAfterMs: 1_000 }];
  await recordContract(world.db, { hash: "h", body: {}, scopes });
  const job = {
    scopeKey: "LATE",
    scope,
    dueMs: at(5),
    deadlineMs: Number.MAX_SAFE_INTEGER,
    resolveAtMs: at(25),
    callees: null,
  };
  const row = { ...job, deadlineMs: at(1e6), giveUpAtMs: at(26), contractHash: "h", status: "COLLECTING" as const };
  await insertRound(world.db, { ...row, id: "round/t/LATE/1" });
  const seen: unknown[] = [];
  const fleet = {
    models: () => [],
    callAll: async ({ calls }: { calls: { args: { value: unknown }[] }[] }) => {
      seen.push(calls[0]!.args[0]!.value);
      return new Map();
    },
  } as unknown as FleetClient;
  const collect = () =>
    createCollector({
      db: world.db,
      fleet,
      market,
      log,
      competition: { competition } as LoadedCompetition,
      now: () => at(6),
    });
  expect(await collect().begin({ ...job, roundId: "round/t/LATE/1" })).toMatchObject({ status: "WAITING" });
  const inputs = () => world.db.selectFrom("inputs").select(["raw_data_jsonb", "hash"]).execute();
  const before = await inputs();
  expect(before).toHaveLength(1);
  expect(before[0]!.raw_data_jsonb).toEqual(seen[0]);
  await intake.take([candle(stream, 3)]);
  expect((await market.windowAt("LATE", at(5))).map((r) => r.tsEvent)).toEqual([0, 1, 2, 3, 4].map(at));
  await collect().begin({ ...job, roundId: "round/t/LATE/1" }); // a crash made somebody collect it again
  expect(await inputs()).toEqual(before);
});

test("another process is told of what filled a hole, too, and has the same window", async () => {
  const stream = streamOf("LISTEN");
  const market = marketOf(world.db, stream, 10);
  const stop = new AbortController();
  const { intake } = ingestion(world.db, stream);
  await intake.take([candle(stream, 0)]);
  await market.load("LISTEN");
  const listening = listenToFeed(
    {
      ...{ db: world.db, url: world.url, follows: (d) => d.subject === "LISTEN", onStored: (r) => market.add(r) },
      onError: (error) => {
        throw error;
      },
    },
    stop.signal,
  );
  const seen = () => market.asOf("LISTEN", at(100)).map((r) => (r.tsEvent - T0) / STEP);
  await expect
    .poll(async () => {
      await intake.take([candle(stream, 5)]);
      return seen();
    })
    .toEqual([0, 5]);
  await intake.take([candle(stream, 3), candle(stream, 1)]);
  await expect.poll(seen).toEqual([0, 1, 3, 5]);
  stop.abort();
  await listening;
});
