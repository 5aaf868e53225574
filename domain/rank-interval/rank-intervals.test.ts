import { describe, expect, test } from "vitest";
import { type BoardRules, type Ranked, rank, type Standing } from "../leaderboard.ts";
import { type ScoreMatrix, scoreMatrix } from "../matrix.ts";
import { Random } from "../random.ts";
import { cutBlocks } from "./blocks.ts";
import { rankIntervals } from "./rank-intervals.ts";

const MINUTE = 60_000;
const random = new Random("rank intervals");
const uniform = (): number => random.next() / 2 ** 32 - 0.5;

/** One round a minute up to `endMs`; null: no score. */
function board(
  scores: Record<string, (number | null)[]>,
  rules: BoardRules,
): { ranked: Ranked[]; matrix: ScoreMatrix; endMs: number } {
  const rounds = Math.max(...Object.values(scores).map((s) => s.length));
  const endMs = rounds * MINUTE;
  const rows = Object.entries(scores).flatMap(([modelId, own]) =>
    own.map((value, i) => ({
      modelId,
      roundId: `${i}`.padStart(6, "0"),
      scopeKey: "s",
      dueMs: i * MINUTE,
      predicted: null,
      actual: null,
      value,
    })),
  );
  const standings = Object.entries(scores).map(([modelId, own]): Standing => {
    const windows = rules.windows.map(({ name, hours }) => {
      const counted = own.slice(-hours * 60).filter((x) => x !== null);
      const value = counted.length > 0 ? counted.reduce((s, x) => s + x, 0) / counted.length : null;
      return [name, { hours, value, coveredHours: hours, partial: false }] as const;
    });
    const values = windows.map(([, w]) => w.value);
    const overall = values.includes(null) ? null : values.reduce<number>((s, v) => s + v! / values.length, 0);
    return {
      modelId,
      windows: Object.fromEntries(windows),
      overall,
      metrics: {},
      predictionCount: own.length,
      newcomer: modelId.startsWith("new"),
    };
  });
  return { ranked: rank(standings, rules.ranking), matrix: scoreMatrix(rows, () => false), endMs };
}
const hour: BoardRules = { windows: [{ name: "w", hours: 10 }], ranking: { key: "w", direction: "desc" } };
const noise = (n: number, shift: number): number[] => Array.from({ length: n }, () => shift + uniform());
const intervals = (scores: Record<string, (number | null)[]>, rules = hour, leastInstants = 1, seed = "x") => {
  const { ranked, matrix, endMs } = board(scores, rules);
  return { ranked, found: rankIntervals(ranked, matrix, rules, { endMs, seed, leastInstants }) };
};

describe("rank intervals", () => {
  const scores = { clear: noise(600, 1), twin1: noise(600, 0), twin2: noise(600, 0), last: noise(600, -1) };
  test("a clear winner and a clear loser have one rank, the rest share theirs", () => {
    const { found } = intervals(scores);
    expect(found.get("clear")).toEqual({ best: 1, worst: 1, shared: 1 });
    expect(found.get("last")).toEqual({ best: 4, worst: 4, shared: 4 });
    for (const twin of ["twin1", "twin2"]) expect(found.get(twin)).toEqual({ best: 2, worst: 3, shared: 2 });
  });
  test("the direction turns it round", () => {
    const { found } = intervals(scores, { ...hour, ranking: { key: "w", direction: "asc" } });
    expect(found.get("last")).toEqual({ best: 1, worst: 1, shared: 1 });
  });
  test("the same seed gives the same, another seed nearly the same", () => {
    expect(intervals(scores).found).toEqual(intervals(scores).found);
    expect(intervals(scores, hour, 1, "y").found.get("clear")).toEqual({ best: 1, worst: 1, shared: 1 });
  });
  test("pairs are compared over common rounds: noise that all share separates nobody and hides nothing", () => {
    const common = noise(600, 0).map((x) => 1_000 * x);
    const better = common.map((x) => x + 1 + 0.1 * uniform());
    expect(intervals({ better, worse: common }).found.get("worse")!.shared).toBe(2);
    const rarely = better.map((x, i) => (i % 3 === 0 ? x : null)); // its own mean is far off, its common rounds say the truth
    const { ranked, found } = intervals({ rarely, worse: common });
    expect(found.get(ranked[1]!.modelId)!.shared).toBe(2);
  });
  test("equal histories share everything", () => {
    const { found } = intervals({ a: scores.twin1, b: scores.twin1 });
    expect(found.get("a")).toEqual({ best: 1, worst: 1, shared: 1 });
    expect(found.get("b")).toEqual({ best: 1, worst: 1, shared: 1 });
  });
  test("groups never chain: the leader decides", () => {
    const step = 0.03; // neighbours cannot be told apart, first and last can
    const chain = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`m${i}`, noise(600, -i * step)]));
    const { ranked, found } = intervals(chain);
    const groups = ranked.map((r) => found.get(r.modelId)!.shared);
    expect(new Set(groups).size).toBeGreaterThan(1);
    expect(new Set(groups).size).toBeLessThan(12);
    expect(groups).toEqual(groups.toSorted((a, b) => a - b));
    for (const [i, r] of ranked.entries()) {
      const { best, worst } = found.get(r.modelId)!;
      expect(best <= i + 1 && i + 1 <= worst).toBe(true);
    }
  });
  test("tiers are not mixed: a newcomer has its own ranks", () => {
    const { found } = intervals({ ...scores, newcomer: noise(600, 5) });
    expect(found.get("newcomer")).toEqual({ best: 5, worst: 5, shared: 5 });
  });
  test("overall: every window is drawn from its own stretch of time", () => {
    const windows = [
      { name: "short", hours: 2 },
      { name: "long", hours: 10 },
    ];
    const rules: BoardRules = { windows, ranking: { key: "overall", direction: "desc" } };
    const { found } = intervals(scores, rules);
    expect(found.get("clear")).toEqual({ best: 1, worst: 1, shared: 1 });
    expect(found.get("last")!.best).toBe(4);
  });
  test("too few rounds: everybody may have any rank; ranked by a metric: nobody has an interval", () => {
    expect(intervals({ a: noise(9, 5), b: noise(9, 0) }).found.get("b")).toEqual({ best: 1, worst: 2, shared: 1 });
    expect(intervals(scores, { ...hour, ranking: { key: "ic", direction: "desc" } }).found.size).toBe(0);
  });
  test("who has no value has no interval", () => {
    expect(intervals({ a: noise(600, 1), silent: [null] }).found.has("silent")).toBe(false);
  });
});

test("an interval holds the true rank in nearly all of many boards, though neighbouring rounds depend on each other", () => {
  let held = 0;
  for (let trial = 0; trial < 40; trial++) {
    const scores = Object.fromEntries(
      Array.from({ length: 5 }, (_, m) => {
        let x = 0;
        const series = noise(600, 0).map((shock) => {
          x = 0.6 * x + shock;
          return x - 0.05 * m;
        });
        return [`m${m}`, series];
      }),
    );
    const { found } = intervals(scores, hour, 1, `trial ${trial}`);
    for (let m = 0; m < 5; m++) held += found.get(`m${m}`)!.best <= m + 1 && m + 1 <= found.get(`m${m}`)!.worst ? 1 : 0;
  }
  expect(held).toBeGreaterThan(0.9 * 200);
});

describe("blocks", () => {
  const columns = (dueMs: number[]): ScoreMatrix => ({
    ...board({ a: [0] }, hour).matrix,
    dueMs: Float64Array.from(dueMs),
  });
  const minutes = Array.from({ length: 600 }, (_, i) => i * MINUTE);
  test("hold every round of the windows once, and whole instants", () => {
    const twice = minutes.flatMap((ms) => [ms, ms]);
    const blocks = cutBlocks(
      columns(twice),
      [
        { hours: 10, weight: 1 },
        { hours: 2, weight: 1 },
      ],
      600 * MINUTE,
      1,
    )!;
    const held = [...blocks.from].flatMap((from, b) =>
      Array.from({ length: blocks.to[b]! - from }, (_, i) => from + i),
    );
    expect(held.toSorted((a, b) => a - b)).toEqual(twice.map((_, i) => i));
    expect([...blocks.from].every((from) => from % 2 === 0)).toBe(true);
    expect(blocks.from[0]).toBe(2 * 480); // the newest ring first
  });
  test("are no shorter than a horizon", () => {
    const lengths = (least: number): number[] => {
      const { from, to } = cutBlocks(columns(minutes), [{ hours: 10, weight: 1 }], 600 * MINUTE, least)!;
      return [...from].map((f, b) => to[b]! - f);
    };
    expect(Math.min(...lengths(1))).toBe(9); // ∛600 = 8.4
    expect(Math.min(...lengths(40))).toBe(40);
  });
  test("six are the least", () => {
    const cut = (n: number) => cutBlocks(columns(minutes.slice(0, n)), [{ hours: 10, weight: 1 }], n * MINUTE, 1);
    expect(cut(17)).toBeNull();
    expect(cut(18)!.from).toHaveLength(6);
  });
});
