import { expect, test } from "vitest";
import { feedStreams, type StreamSettings } from "./feed-streams.ts";

const base: StreamSettings = {
  ...{ sources: "pyth", kind: "candle", granularity: "1s", subjects: ["BTC", "ETH"] },
  ...{ subjectsOf: {}, options: {} },
};
const problemsOf = (settings: Partial<StreamSettings>): string => feedStreams({ ...base, ...settings }).problems.join();

test("one source, as ever", () => {
  expect(feedStreams({ ...base, options: { hermes_url: "u" } })).toEqual({
    problems: [],
    streams: [
      { source: "pyth", kind: "candle", granularity: "1s", subjects: ["BTC", "ETH"], options: { hermes_url: "u" } },
    ],
  });
});

test("several, each with its own kind, granularity, names of the subjects and options", () => {
  const { streams, problems } = feedStreams({
    ...{ ...base, sources: "Pyth, binance:trade, binance:candle:1m" },
    subjectsOf: { BINANCE: "BTCUSDT,ETHUSDT" },
    options: { timeout_seconds: "8", binance_timeout_seconds: "3", binance_depth_limit: "5", pyth_hermes_url: "u" },
  });
  expect(problems).toEqual([]);
  const subjects = ["BTCUSDT", "ETHUSDT"];
  const options = { timeout_seconds: "3", depth_limit: "5" };
  expect(streams).toEqual(
    [
      { ...base, source: "pyth", options: { timeout_seconds: "8", hermes_url: "u" } },
      { source: "binance", kind: "trade", granularity: "1s", subjects, options },
      { source: "binance", kind: "candle", granularity: "1m", subjects, options },
    ].map(({ source, kind, granularity, subjects: own, options: o }) => ({
      source,
      kind,
      granularity,
      subjects: own,
      options: o,
    })),
  );
});

test.each<[string, Partial<StreamSettings>, string]>([
  ["nothing", { sources: " , " }, "FEED_SOURCE: names no source"],
  ["a kind that is none", { sources: "pyth:bars" }, "kind bars is none of candle, tick, trade"],
  ["a granularity that is none", { sources: "pyth:candle:fast" }, "granularity fast: a number and ms, s, m, h or d"],
  ["too many parts", { sources: "pyth:candle:1s:x" }, "write <source>, or <source>:<kind>:<granularity>"],
  ["the same twice", { sources: "pyth,pyth:candle" }, "pyth:candle:1s is there twice"],
  [
    "names of the first source",
    { subjectsOf: { PYTH: "X,Y" } },
    "FEED_SUBJECTS_PYTH: the subjects of the first source are",
  ],
  [
    "too few names",
    { sources: "binance,pyth", subjectsOf: { PYTH: "X" } },
    "FEED_SUBJECTS_PYTH=X: one name for each of FEED_SUBJECTS=BTC,ETH",
  ],
])("%s is named", (_what, settings, message) => {
  expect(problemsOf(settings)).toContain(message);
});
