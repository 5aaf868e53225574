import { describe, expect, test } from "vitest";
import {
  type BoardRules,
  countedWindows,
  type ModelHistory,
  overallWeights,
  rank,
  rankChange,
  rankingHours,
  type Standing,
  standingOf,
  type WindowSum,
} from "./leaderboard.ts";

const standing = (modelId: string, value: number | null, newcomer = false): Standing => ({
  modelId,
  newcomer,
  predictionCount: 1,
  metrics: { ic: value ?? 0 },
  windows: { recent: { hours: 24, value, coveredHours: 1, partial: true } },
});
const ranks = (rows: Standing[], direction: "asc" | "desc" = "desc", key = "recent") =>
  rank(rows, { key, direction }).map((r) => [r.modelId, r.rank]);

test.each([
  [
    "larger first",
    [standing("a", 1), standing("b", 2)],
    "desc",
    [
      ["b", 1],
      ["a", 2],
    ],
  ],
  [
    "smaller first where the contract says asc",
    [standing("a", 1), standing("b", 2)],
    "asc",
    [
      ["a", 1],
      ["b", 2],
    ],
  ],
  [
    "ties share a rank and the next one counts them",
    [standing("c", 1), standing("b", 2), standing("a", 2)],
    "desc",
    [
      ["a", 1],
      ["b", 1],
      ["c", 3],
    ],
  ],
  [
    "a silent model is last in either direction",
    [standing("silent", null), standing("a", 5)],
    "asc",
    [
      ["a", 1],
      ["silent", 2],
    ],
  ],
  [
    "a newcomer ranks after those that were there",
    [standing("new", 9, true), standing("old", 1)],
    "desc",
    [
      ["old", 1],
      ["new", 2],
    ],
  ],
  [
    "a newcomer never ties with an old one",
    [standing("new", 1, true), standing("old", 1)],
    "desc",
    [
      ["old", 1],
      ["new", 2],
    ],
  ],
] as const)("%s", (_name, rows, direction, expected) => {
  expect(ranks([...rows], direction)).toEqual(expected);
});

test("a metric can be the ranking key; the order of the input never matters", () => {
  const rows = [standing("a", 0.1), standing("b", 0.3), standing("c", 0.2)];
  expect(ranks(rows, "desc", "ic")).toEqual([
    ["b", 1],
    ["c", 2],
    ["a", 3],
  ]);
  expect(ranks(rows.toReversed(), "desc", "ic")).toEqual(ranks(rows, "desc", "ic"));
});

const HOUR_MS = 3_600_000;
const rules: BoardRules = {
  windows: [
    { name: "recent", hours: 24 },
    { name: "anchor", hours: 168 },
  ],
  ranking: { key: "recent", direction: "desc" },
};
const time = { endMs: 1_000 * HOUR_MS, startedMs: 0, toleranceMs: HOUR_MS };
const sums = (recent: WindowSum | undefined, anchor: WindowSum): Record<string, WindowSum> =>
  recent ? { recent, anchor } : { anchor };
const history = (given: Partial<ModelHistory>): ModelHistory => ({
  modelId: "m",
  scopes: new Map([["BTC-60", sums({ sum: 6, count: 3 }, { sum: 10, count: 10 })]]),
  metrics: { ic: 0.1 },
  firstMs: 0,
  asked: 10,
  answered: 10,
  ...given,
});

describe("a standing", () => {
  test("means per window over all scopes, every prediction counting once, and per scope", () => {
    const scopes = new Map([
      ["BTC-60", sums({ sum: 6, count: 3 }, { sum: 10, count: 10 })],
      ["ETH-60", sums(undefined, { sum: -30, count: 10 })],
    ]);
    const standing = standingOf(history({ scopes }), rules, time);
    expect(standing.windows.recent).toEqual({ hours: 24, value: 2, coveredHours: 24, partial: false });
    expect(standing.windows.anchor!.value).toBe(-1);
    expect(standing.overall).toBe(0.5);
    expect(standing.byScope).toEqual({ "BTC-60": { recent: 2, anchor: 1 }, "ETH-60": { recent: null, anchor: -3 } });
    expect(standing.predictionCount).toBe(20);
    const turned = standingOf(history({ scopes: new Map([...scopes].toReversed()) }), rules, time);
    expect(JSON.stringify(turned)).toBe(JSON.stringify(standing));
  });

  test("a window without scores is null, never 0, and so is overall", () => {
    const scopes = new Map([["BTC-60", sums(undefined, { sum: 5, count: 5 })]]);
    const standing = standingOf(history({ scopes }), rules, time);
    expect(standing.windows.recent).toEqual({ hours: 24, value: null, coveredHours: 0, partial: true });
    expect(standing.overall).toBeNull();
    expect(standingOf(history({ scopes }), { ...rules, overall: { anchor: 2, recent: 0 } }, time).overall).toBe(1);
  });

  test("a window that reaches further back than the history says so", () => {
    const standing = standingOf(history({ firstMs: time.endMs - 84 * HOUR_MS }), rules, time);
    expect(standing.windows.anchor).toMatchObject({ coveredHours: 84, partial: true });
    expect(standing.windows.recent!.partial).toBe(false);
  });

  test("a newcomer is younger than the competition within the window that ranks", () => {
    const young = history({ firstMs: time.endMs - 84 * HOUR_MS });
    expect(standingOf(young, rules, time).newcomer).toBe(false);
    expect(standingOf(young, { ...rules, ranking: { key: "anchor", direction: "desc" } }, time).newcomer).toBe(true);
    expect(standingOf(young, { ...rules, ranking: { key: "overall", direction: "desc" } }, time).newcomer).toBe(true);
    const youngCompetition = { ...time, startedMs: time.endMs - 84 * HOUR_MS };
    expect(
      standingOf(young, { ...rules, ranking: { key: "anchor", direction: "desc" } }, youngCompetition).newcomer,
    ).toBe(false);
  });

  test("participation is what it answered of what it was asked", () => {
    const floor = { ...rules, participationFloor: 0.5 };
    expect(standingOf(history({ answered: 4 }), floor, time)).toMatchObject({ participation: 0.4, belowFloor: true });
    expect(standingOf(history({ answered: 5 }), floor, time)).toMatchObject({ participation: 0.5, belowFloor: false });
    expect(standingOf(history({ asked: 0, answered: 0 }), floor, time)).toMatchObject({
      participation: null,
      belowFloor: false,
    });
  });
});

describe("overall", () => {
  test("weighs windows equally unless the contract says otherwise", () => {
    expect([...overallWeights(rules)]).toEqual([
      ["recent", 0.5],
      ["anchor", 0.5],
    ]);
    expect([...overallWeights({ ...rules, overall: { recent: 3, anchor: 1 } })]).toEqual([
      ["recent", 0.75],
      ["anchor", 0.25],
    ]);
  });
  test.each([
    [{ steady: 1 }, /weighs "steady", which is no window; windows: recent, anchor/],
    [{ recent: -1, anchor: 2 }, /weight of "recent" is -1/],
    [{ recent: 0 }, /at least one window needs a weight/],
    [{ recent: Number.NaN }, /NaN/],
  ])("%j is refused", (overall, message) => {
    expect(() => overallWeights({ ...rules, overall })).toThrow(message);
  });
  test("what counts, and how far back", () => {
    const by = (key: string): BoardRules => ({ ...rules, ranking: { key, direction: "desc" } });
    expect(countedWindows(by("overall"))).toEqual([
      { hours: 24, weight: 0.5 },
      { hours: 168, weight: 0.5 },
    ]);
    expect([rankingHours(by("overall")), rankingHours(by("recent")), rankingHours(by("ic"))]).toEqual([168, 24, 24]);
  });
  test("ranks where the contract says so", () => {
    const rows = [standing("a", 1), standing("b", 2)].map((s) => ({ ...s, overall: s.modelId === "a" ? 5 : 4 }));
    expect(ranks(rows, "desc", "overall")).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });
});

test("tiers: full histories, those below the floor, newcomers, newcomers below the floor, the silent", () => {
  const below = (s: Standing): Standing => ({ ...s, belowFloor: true });
  const rows = [
    standing("silent", null),
    below(standing("new and rare", 9, true)),
    standing("new", 8, true),
    below(standing("rare", 7)),
    standing("old", 1),
  ];
  expect(ranks(rows).map(([id]) => id)).toEqual(["old", "rare", "new", "new and rare", "silent"]);
});

test("rank change: places won since the board before", () => {
  const before = new Map([["a", 5]]);
  expect([rankChange(before, "a", 2), rankChange(before, "a", 9), rankChange(before, "new", 1)]).toEqual([3, -4, null]);
});
