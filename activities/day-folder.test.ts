import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FeedRecord } from "../feeds/feed.ts";
import { type DayRow, dayRow, readDayFile } from "./day-file.ts";
import { createDayFolder, type DayFolder } from "./day-folder.ts";

const DAY = Date.UTC(2026, 0, 15);
const stream = { source: "binance", subject: "BTC", kind: "candle", granularity: "1m" };
const PATH = "binance/BTC/candle/1m/2026-01-15.parquet";

let [root, folder]: [string, DayFolder] = [] as never;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "almanac-days-"));
  folder = createDayFolder({ root, exclusively: (work) => work(), log: pino({ level: "silent" }) });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const candle = (minute: number, close = 100 + minute): FeedRecord => ({
  ...stream,
  tsEvent: DAY + minute * 60_000,
  eventId: "",
  values: { open: close - 1, high: close + 1, low: close - 2, close, volume: 5, trades: 7 },
  meta: {},
});
const trade = (ms: number, eventId: string): FeedRecord => ({
  ...{ ...stream, kind: "trade", granularity: "1ms" },
  ...{ tsEvent: DAY + ms, eventId, values: { price: 1.5 }, meta: { side: "buy" } },
});
async function* chunksOf(...chunks: FeedRecord[][]): AsyncGenerator<DayRow[]> {
  for (const chunk of chunks) yield chunk.map(dayRow);
}
const rowsOf = async (path: string) => (await Array.fromAsync(readDayFile(join(root, path)))).flat();
const index = () => JSON.parse(readFileSync(join(root, "index.json"), "utf8"));

describe("a day's file", () => {
  test("has the public columns, and the index says what it holds", async () => {
    const entry = await folder.fileDay(stream, DAY, chunksOf([candle(0), candle(1)], [candle(2)]));
    expect(entry).toEqual({ path: PATH, records: 3, size_bytes: statSync(join(root, PATH)).size, date: "2026-01-15" });
    expect(index()).toEqual([entry]);
    const file = new Uint8Array(readFileSync(join(root, PATH))).buffer;
    expect((await parquetReadObjects({ file }))[1]).toEqual({
      ...{ ts_event: new Date(DAY + 60_000), source: "binance", subject: "BTC", kind: "candle", granularity: "1m" },
      ...{ open: 100, high: 102, low: 99, close: 101, volume: 5, meta: '{"trades":7}' },
    });
  });

  test("trades of one millisecond keep their ids; values without a column are in meta", async () => {
    const of = { ...stream, kind: "trade", granularity: "1ms" };
    await folder.fileDay(of, DAY, chunksOf([trade(5, "a"), trade(5, "b")]));
    await folder.fileDay(of, DAY, chunksOf([trade(5, "b"), trade(5, "c")]));
    const rows = await rowsOf("binance/BTC/trade/1ms/2026-01-15.parquet");
    expect(rows.map((r) => r.eventId)).toEqual(["a", "b", "c"]);
    expect(JSON.parse(rows[0]!.meta)).toEqual({ side: "buy", price: 1.5, event_id: "a" });
    expect(rows[0]!.open).toBeNull();
  });

  test("outlives the records it was made of: later rows are added, earlier ones stay, the newest word counts", async () => {
    await folder.fileDay(stream, DAY, chunksOf([candle(0), candle(1, 7), candle(5)]));
    const entry = await folder.fileDay(stream, DAY, chunksOf([candle(1), candle(2), candle(9)]));
    expect(entry?.records).toBe(5);
    const rows = await rowsOf(PATH);
    expect(rows.map((r) => (r.tsMs - DAY) / 60_000)).toEqual([0, 1, 2, 5, 9]);
    expect(rows[1]!.close).toBe(101);
    expect(index()).toEqual([entry]);
  });

  test("that holds the same already is not touched; nothing to write makes no file", async () => {
    await folder.fileDay(stream, DAY, chunksOf([candle(0), candle(1)]));
    utimesSync(join(root, PATH), 1, 1);
    const entry = await folder.fileDay(stream, DAY, chunksOf([candle(0)]));
    expect(entry?.records).toBe(2);
    expect(statSync(join(root, PATH)).mtimeMs).toBe(1_000);
    expect(await folder.fileDay(stream, DAY + 86_400_000, chunksOf())).toBeNull();
    expect(readdirSync(join(root, "binance/BTC/candle/1m"))).toEqual(["2026-01-15.parquet"]);
  });

  test.each([
    ["no parquet at all", () => Buffer.from("not a parquet file")],
    ["one cut short", (whole: Buffer) => whole.subarray(0, whole.length - 20)],
    [
      "one with a broken page",
      (whole: Buffer) => Buffer.concat([whole.subarray(0, 4), Buffer.alloc(400, 0xff), whole.subarray(404)]),
    ],
  ])("%s is kept aside, never overwritten", async (_name, broken) => {
    await folder.fileDay(stream, DAY, chunksOf([candle(0), candle(1), candle(2)]));
    const bytes = broken(readFileSync(join(root, PATH)));
    writeFileSync(join(root, PATH), bytes);
    expect((await folder.fileDay(stream, DAY, chunksOf([candle(4)])))?.records).toBe(1);
    const [aside] = readdirSync(join(root, "binance/BTC/candle/1m")).filter((n) => n.includes("unreadable"));
    expect(readFileSync(join(root, "binance/BTC/candle/1m", aside!))).toEqual(bytes);
    expect((await rowsOf(PATH)).map((r) => r.close)).toEqual([104]);
  });

  test("a source that breaks off half way leaves the file as it was, and drafts do not pile up", async () => {
    await folder.fileDay(stream, DAY, chunksOf([candle(0)]));
    async function* breaking(): AsyncGenerator<DayRow[]> {
      yield [dayRow(candle(1))];
      throw new Error("the database went away");
    }
    await expect(folder.fileDay(stream, DAY, breaking())).rejects.toThrow("went away");
    expect((await rowsOf(PATH)).length).toBe(1);
    const at = join(root, "binance/BTC/candle/1m");
    for (const name of readdirSync(at).filter((n) => n.endsWith(".draft"))) utimesSync(join(at, name), 1, 1);
    await folder.fileDay(stream, DAY, chunksOf([candle(1)]));
    expect(readdirSync(at)).toEqual(["2026-01-15.parquet"]);
  });
});

describe("the index", () => {
  test("is made anew from the files where it is broken", async () => {
    const first = await folder.fileDay(stream, DAY, chunksOf([candle(0)]));
    writeFileSync(join(root, "index.json"), "[{");
    mkdirSync(join(root, "elsewhere"));
    writeFileSync(join(root, "elsewhere/2026-01-01.parquet"), "x");
    const second = await folder.fileDay({ ...stream, subject: "ETH" }, DAY, chunksOf([candle(0)]));
    expect(index()).toEqual([first, second]);
  });

  test("names that are no folders are refused before anything is written", async () => {
    await expect(folder.fileDay({ ...stream, subject: "../BTC" }, DAY, chunksOf([candle(0)]))).rejects.toThrow(
      'subject "../BTC" cannot name a folder',
    );
    expect(readdirSync(root)).toEqual([]);
  });
});
