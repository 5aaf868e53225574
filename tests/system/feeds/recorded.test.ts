import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeToClose } from "../../../competitions/close-to-close.ts";
import { buildMarketInput } from "../../../competitions/market-input.ts";
import { openGaps } from "../../../db/feed-gaps.ts";
import { gapSummaries } from "../../../db/feed-reports.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import { dimensionOf, doubleFeed, freshDatabase, ingestion, marketOf, streamOf } from "./world.ts";

const FOLDER = process.env.MARKET_DATA_DIR ?? "../shared/data";
const CANDLES = `${FOLDER}/xrp-eth-1m.csv`;
const TRADES = `${FOLDER}/xrp-eth-trades.csv`;
const MINUTE = 60_000;

let world: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  world = await freshDatabase();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const rowsOf = (file: string): string[][] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(","));

/** Numbers below one, the same on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Batches as a bad line would bring them: out of order, some twice, some not at all. */
function disturbed(records: readonly FeedRecord[], random: () => number): FeedRecord[][] {
  const order = records
    .map((record, i) => ({ record, place: i + 8 * random() }))
    .filter(({ record }) => record === records[0] || random() > 0.05)
    .flatMap((entry) => (random() < 0.1 ? [entry, { ...entry, place: entry.place + 5 }] : [entry]))
    .sort((a, b) => a.place - b.place)
    .map(({ record }) => record);
  const batches = [];
  while (order.length > 0) batches.push(order.splice(0, 1 + Math.floor(40 * random())));
  return batches;
}

describe.skipIf(!existsSync(CANDLES))(`recorded candles with real holes (skipped where ${CANDLES} is absent)`, () => {
  test("over a bad line, every truth and every window is what the file itself says", async () => {
    const stream = streamOf("XRPETH", { granularity: "1m" });
    const rows = rowsOf(CANDLES).map((row) => row.map(Number));
    const records = rows.map(([ts, open, high, low, close, volume]) => ({
      ...{ ...dimensionOf(stream), tsEvent: ts!, eventId: "", meta: {} },
      values: { open: open!, high: high!, low: low!, close: close!, volume: volume! },
    }));
    const endMs = rows.at(-1)![0]! + 2 * MINUTE;
    const market = marketOf(world.db, stream, 120);
    await market.load("XRPETH");
    const feed = doubleFeed(records);
    const options = { feed, now: () => endMs, onStored: (r: FeedRecord[]) => market.add(r) };
    const { intake, counts } = ingestion(world.db, stream, options);
    for (const batch of disturbed(records, seeded(7))) await intake.take(batch);
    await ingestion(world.db, stream, { ...options, backfillMs: endMs - rows[0]![0]! }).intake.begin();
    expect(await openGaps(world.db, dimensionOf(stream))).toEqual([]);

    const stored = await market.between("XRPETH", 0, endMs);
    expect(stored.map((r) => [r.tsEvent, r.values.close])).toEqual(rows.map((row) => [row[0], row[4]]));
    const minutes = (rows.at(-1)![0]! - rows[0]![0]!) / MINUTE + 1;
    const [gaps] = await gapSummaries(world.db, new Date(0));
    expect(gaps).toMatchObject({ subject: "XRPETH", open: 0, missing: minutes - rows.length });
    expect(await counts()).toMatchObject({ duplicate: expect.any(Number), late: expect.any(Number) });

    // the file's own word, by nothing but its rows
    const lastBy = (instant: number) => rows.findLast((row) => row[0]! + MINUTE <= instant);
    let [resolved, stale] = [0, 0];
    for (let dueMs = rows[0]![0]! + 5 * MINUTE; dueMs + 15 * MINUTE < endMs; dueMs += 17 * MINUTE) {
      const resolveAtMs = dueMs + 15 * MINUTE;
      const [entry, exit] = [lastBy(dueMs)!, lastBy(resolveAtMs)!];
      const age = Math.max(dueMs - entry[0]! - MINUTE, resolveAtMs - exit[0]! - MINUTE);
      const truth = closeToClose({
        ...{ scope: { subject: "XRPETH" }, dueMs, resolveAtMs, granularityMs: MINUTE },
        ...(await market.coverage("XRPETH", dueMs - MINUTE)),
        records: await market.between("XRPETH", dueMs - MINUTE, resolveAtMs),
      });
      if (age > 3 * MINUTE) expect(truth, String(++stale)).toHaveProperty("unresolvable");
      else
        expect(truth, String(++resolved)).toMatchObject({ resolved: { profit: (exit[4]! - entry[4]!) / entry[4]! } });
      const seen = rows.filter((row) => row[0]! + MINUTE <= dueMs).slice(-120);
      const input = buildMarketInput("XRPETH", dueMs, await market.windowAt("XRPETH", dueMs));
      expect(input.candles_1m!.map((c) => [c.ts * 1_000, c.open, c.high, c.low, c.close, c.volume])).toEqual(seen);
    }
    expect(resolved).toBeGreaterThan(100);
  });
});

describe.skipIf(!existsSync(TRADES))(`recorded trades (skipped where ${TRADES} is absent)`, () => {
  test("none is lost or doubled where several share a millisecond, whatever the batches", async () => {
    const stream = streamOf("XRPETH", { kind: "trade" });
    const rows = rowsOf(TRADES);
    const [ts, id] = [0, 1];
    const trades = rows.map((row) => ({
      ...{ ...dimensionOf(stream), tsEvent: Number(row[ts]), eventId: row[id]!, meta: {} },
      values: { price: Number(row[3]), amount: Number(row[4]) },
    }));
    const endMs = trades.at(-1)!.tsEvent + 1_000;
    const feed = doubleFeed(trades);
    const options = { feed, now: () => endMs, backfillMs: endMs - trades[0]!.tsEvent + 1 };
    const live = ingestion(world.db, stream, options);
    for (const batch of disturbed(trades.slice(0, 4_000), seeded(3))) await live.intake.take(batch);
    await live.intake.take(trades.slice(0, 4_000)); // what was lost on the line came after all
    await ingestion(world.db, stream, options).intake.begin(); // the rest was missed by a node that was away
    const market = marketOf(world.db, stream);
    const stored = (await market.between("XRPETH", 0, endMs)) as { tsEvent: number; eventId?: string }[];
    const keys = (list: readonly { tsEvent: number; eventId?: string }[]) =>
      list.map((r) => `${r.tsEvent}/${r.eventId}`);
    expect(keys(stored)).toEqual(
      keys(trades.toSorted((a, b) => a.tsEvent - b.tsEvent || (a.eventId < b.eventId ? -1 : 1))),
    );
  });
});
