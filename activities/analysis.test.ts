import { expect, test } from "vitest";
import { scoreMatrix } from "../domain/matrix.ts";
import { Random } from "../domain/random.ts";
import { type AnalysisJob, analyseHere, analyseInThread } from "./analysis.ts";
import { leastInstants } from "./leaderboard.ts";

const MODELS = ["a", "b", "c"];
const T0 = Date.UTC(2024, 0, 2);

function job(): AnalysisJob {
  const random = new Random("matrix");
  const rows = Array.from({ length: 90 }, (_, r) => {
    const actual = random.below(1_000) / 1_000 - 0.5;
    return MODELS.map((modelId) => {
      const predicted = random.below(1_000) / 1_000 - 0.5;
      const round = { roundId: `r${r}`, scopeKey: "X", dueMs: T0 + r * 60_000 };
      return { modelId, ...round, predicted, actual, value: predicted * actual };
    });
  }).flat();
  const window = (sum: number) => ({ day: { sum, count: 90 } });
  return {
    matrix: scoreMatrix(rows, () => false),
    metrics: ["ic", "max_drawdown", "model_correlation"],
    ensembles: [],
    board: {
      histories: MODELS.map((modelId, m) => ({
        ...{ modelId, firstMs: T0, asked: 90, answered: 90 },
        scopes: new Map([["X", window(m)]]),
      })),
      rules: { windows: [{ name: "day", hours: 24 }], ranking: { key: "day", direction: "desc" } },
      time: { endMs: T0 + 91 * 60_000, startedMs: T0, toleranceMs: 0 },
      seed: "s",
      leastInstants: 1,
    },
  };
}

test("a thread gives the very numbers that the process itself gives", { timeout: 30_000 }, async () => {
  const here = analyseHere(job());
  expect([...here.metrics.keys()]).toEqual(MODELS);
  expect(here.board!.rows.map((r) => [r.modelId, r.rank])).toEqual([
    ["c", 1],
    ["b", 2],
    ["a", 3],
  ]);
  expect([...here.board!.intervals.keys()].sort()).toEqual(MODELS);
  expect(await analyseInThread(job())).toEqual(here);
});

test("the board does not depend on the order in which models and ensembles are given", () => {
  const given = job();
  const { histories } = given.board!;
  const more = ["__ensemble_b__", "__ensemble_a__"].map((modelId) => ({ ...histories[1]!, modelId }));
  const board = (all: typeof histories) =>
    analyseHere({ ...given, board: { ...given.board!, histories: all } }).board!.rows.map((r) => [r.modelId, r.rank]);
  const expected = [
    ["c", 1],
    ["b", 2],
    ["a", 3],
    ["__ensemble_a__", 2],
    ["__ensemble_b__", 2],
  ];
  expect(board([...histories, ...more])).toEqual(expected);
  expect(board([...histories, ...more].reverse())).toEqual(expected);
});

test("a mistake inside the thread is an error of whoever asked", { timeout: 30_000 }, async () => {
  await expect(analyseInThread({ ...job(), metrics: ["no_such_metric"] })).rejects.toThrow(
    "unknown metric no_such_metric",
  );
});

test("blocks span the longest horizon on the grid of all scopes", () => {
  const scope = (everyMs: number, resolveAfterMs: number, phaseMs = 0) => ({ everyMs, resolveAfterMs, phaseMs });
  expect(leastInstants([])).toBe(1);
  expect(leastInstants([scope(60_000, 20_000)])).toBe(1);
  expect(leastInstants([scope(5_000, 20_000)])).toBe(4);
  expect(leastInstants([scope(5_000, 20_000), scope(5_000, 20_000)]), "due at the same instants").toBe(4);
  expect(leastInstants([scope(5_000, 20_000), scope(5_000, 20_000, 2_500)]), "twice as many instants").toBe(8);
});
