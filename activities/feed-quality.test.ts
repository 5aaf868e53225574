import { pino } from "pino";
import { expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import type { QualityCount } from "../db/feed-quality.ts";
import type { FeedStream } from "../domain/feed-streams.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import { createComparison } from "./feed-disagreement.ts";
import { createQualityLog } from "./feed-quality.ts";

const streamOf = (source: string, subjects: string[]): FeedStream => ({
  ...{ source, kind: "candle", granularity: "1s", subjects, options: {} },
});
const logOf = (stream: FeedStream) => {
  const counted: QualityCount[] = [];
  const db = undefined as unknown as Database; // nothing is written here
  const log = createQualityLog({
    db,
    stream,
    log: pino({ level: "silent" }),
    now: () => 5,
    onCount: (c) => counted.push(c),
  });
  return { log, told: () => counted.map((c) => [c.event, c.subject, c.count]), counted };
};
const event = { source: "a", atMs: 5, count: 2, detail: "d" };

test("what concerns the connection counts for each subject; what the ingestion sees itself is not counted twice", () => {
  const { log, told } = logOf(streamOf("a", ["BTC", "ETH"]));
  log.observe({ ...event, kind: "reconnect" });
  log.observe({ ...event, kind: "duplicate", subject: "ETH" });
  log.observe({ ...event, kind: "late", subject: "ETH" });
  log.observe({ ...event, kind: "connected" });
  log.observe({ ...event, kind: "gap", subject: "ETH", sinceMs: 3, ms: 4 });
  expect(told()).toEqual([
    ["reconnect", "BTC", 2],
    ["reconnect", "ETH", 2],
    ["duplicate", "ETH", 2],
  ]);
  expect(log.gaps).toEqual([{ subject: "ETH", sinceMs: 3, ms: 4 }]);
});

test("details are cut and hold nothing that the database refuses", () => {
  const { log, counted } = logOf(streamOf("a", ["BTC"]));
  log.count("refused", "BTC", `a\0b${"x".repeat(1_000)}`);
  expect(counted[0]!.lastDetail).toHaveLength(499);
  expect(counted[0]!.lastDetail.startsWith("abx")).toBe(true);
});

test("sources that contradict each other at about the same time are counted against the one that is not the first", () => {
  const [first, second] = [streamOf("pyth", ["BTC", "ETH"]), streamOf("binance", ["BTCUSDT", "ETHUSDT"])];
  const logs = [logOf(first), logOf(second)];
  const compare = createComparison([
    { stream: first, quality: logs[0]!.log },
    { stream: second, quality: logs[1]!.log },
  ]);
  const record = (stream: FeedStream, place: number, tsEvent: number, close: number): FeedRecord => ({
    ...{ source: stream.source, kind: "candle", granularity: "1s", subject: stream.subjects[place]! },
    ...{ tsEvent, eventId: "", values: { close }, meta: {} },
  });
  compare(first, [record(first, 0, 1_000, 100), record(first, 1, 1_000, 10)]);
  compare(second, [record(second, 0, 1_000, 100.4), record(second, 1, 1_000, 10.2)]);
  expect(logs[1]!.told()).toEqual([["disagreement", "ETHUSDT", 1]]);
  expect(logs[1]!.counted[0]!.lastDetail).toBe("pyth 10, binance 10.2: 2.00 % apart");
  compare(first, [record(first, 1, 60_000, 30)]); // the other one's price is a minute old
  compare(second, [record(second, 1, 500, 99)]); // history
  expect(logs[1]!.told()).toHaveLength(1);
  expect(logs[0]!.told()).toEqual([]);
});
