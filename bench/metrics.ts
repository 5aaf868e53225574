import { ensembleModelId, isEnsembleModel } from "../domain/ensembles.ts";
import { type BoardRules, type Ranked, rank, standingOf, type WindowSum } from "../domain/leaderboard.ts";
import type { ScoreMatrix } from "../domain/matrix.ts";
import { computeMetrics, METRIC_NAMES } from "../domain/metrics/registry.ts";
import { rankIntervals } from "../domain/rank-interval/rank-intervals.ts";

/** Times every metric over models × rounds, answered without and with gaps, and the rank intervals of a board: `node bench/metrics.ts [models] [rounds]`. */
const [models = 1_000, rounds = 10_000] = process.argv.slice(2).map(Number);
const RUNS = 3;
const MINUTE_MS = 60_000;

for (const gaps of [0, 0.01]) {
  const matrix = randomMatrix(models, rounds, gaps);
  console.log(`\n${models} models and an ensemble × ${rounds} rounds, ${gaps * 100} % of the answers missing`);
  for (const name of METRIC_NAMES) report(name, () => computeMetrics([name], matrix));
  report(`all ${METRIC_NAMES.length} together`, () => computeMetrics(METRIC_NAMES, matrix));
}
const week = randomMatrix(500, 10_080, 0.01);
for (const key of ["w168", "overall"]) {
  const { ranked, rules, endMs } = boardOf(week, key);
  console.log(`\nrank intervals of 500 models over 10,080 rounds, ranked by ${key}`);
  report("1,000 resamples", () => rankIntervals(ranked, week, rules, { endMs, seed: "bench", leastInstants: 1 }));
}
console.log(`\npeak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);

function report(label: string, run: () => unknown): void {
  const wall: number[] = [];
  const cpu: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const before = { at: performance.now(), cpu: process.cpuUsage() };
    run();
    const used = process.cpuUsage(before.cpu);
    wall.push(performance.now() - before.at);
    cpu.push((used.user + used.system) / 1_000);
  }
  const least = (x: number[]): string => `${Math.round(Math.min(...x))} ms`.padStart(9);
  console.log(`${label.padEnd(22)} wall ${least(wall)}   cpu ${least(cpu)}   (least of ${RUNS})`);
}

/** The board of a matrix of one round a minute: means over one, three and seven days. */
function boardOf(matrix: ScoreMatrix, key: string): { ranked: Ranked[]; rules: BoardRules; endMs: number } {
  const endMs = matrix.roundIds.length * MINUTE_MS;
  const windows = [24, 72, 168].map((hours) => ({ name: `w${hours}`, hours }));
  const rules: BoardRules = { windows, ranking: { key, direction: "desc" } };
  const standings = matrix.modelIds.map((modelId, m) => {
    const sums = windows.map((w) => [w.name, sumSince(matrix, m, endMs - w.hours * 60 * MINUTE_MS)] as const);
    const scopes = new Map([["s", Object.fromEntries(sums)]]);
    const history = { modelId, scopes, metrics: {}, firstMs: 0, asked: 1, answered: 1 };
    return standingOf(history, rules, { endMs, startedMs: 0, toleranceMs: 0 });
  });
  return { ranked: rank(standings, rules.ranking), rules, endMs };
}

function sumSince({ value, dueMs }: ScoreMatrix, m: number, fromMs: number): WindowSum {
  const own = [...dueMs.keys()].filter((r) => dueMs[r]! >= fromMs).map((r) => value[m * dueMs.length + r]!);
  const known = own.filter((x) => !Number.isNaN(x));
  return { sum: known.reduce((s, x) => s + x, 0), count: known.length };
}

function randomMatrix(models: number, rounds: number, gaps: number): ScoreMatrix {
  const actual = Float64Array.from({ length: rounds }, () => Math.random() - 0.5);
  const predicted = Float64Array.from({ length: (models + 1) * rounds }, (_, cell) =>
    Math.random() < gaps ? Number.NaN : 0.1 * actual[cell % rounds]! + Math.random() - 0.5,
  );
  return {
    modelIds: [...Array.from({ length: models }, (_, m) => `model-${m}`), ensembleModelId("main")].sort(
      (a, b) => Number(isEnsembleModel(a)) - Number(isEnsembleModel(b)),
    ),
    roundIds: Array.from({ length: rounds }, (_, r) => `round-${r}`),
    scopeKeys: Array.from({ length: rounds }, (_, r) => `scope-${r % 2}`),
    dueMs: Float64Array.from({ length: rounds }, (_, r) => r * MINUTE_MS),
    actual,
    predicted,
    value: predicted.map((p, cell) => p * actual[cell % rounds]!),
    contradictory: [],
  };
}
