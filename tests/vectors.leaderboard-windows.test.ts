import { describe, expect, test } from "vitest";
import { z } from "zod";
import { contractProblems } from "../competitions/check-contract.ts";
import { defineCompetition } from "../competitions/define.ts";
import {
  condorBoard,
  type PeerAggregation,
  type PeerSnapshot,
  peerBoard,
  peerSummary,
  peerWindowMeans,
} from "../domain/compat/leaderboard.ts";
import { type BoardRules, rank, type Standing, standingOf, type WindowSum } from "../domain/leaderboard.ts";
import { meanOfFields } from "../domain/summary.ts";
import { double, isClose, type VectorCase, vectorCases } from "./vector-files.ts";

/** µs since 1970; without a zone it is UTC, as the peer has it. */
function microseconds(text: string): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!match) throw new TypeError(`not a time: ${text}`);
  return Date.parse(match[1]! + (match[3] ?? "Z")) * 1_000 + Number((match[2] ?? "").padEnd(6, "0"));
}
const time = z.string().transform(microseconds);
const fields = z.record(z.string(), z.unknown());
const boardInput = z.object({
  now: time,
  aggregation: z.object({
    windows: z.record(z.string(), z.object({ hours: z.number() })),
    value_field: z.string(),
    ranking_key: z.string(),
    ranking_direction: z.string(),
  }),
  snapshots: z.array(
    z.looseObject({ model_id: z.string(), period_end: time, prediction_count: z.number(), result_summary: fields }),
  ),
});
const boardRows = z.array(
  z.looseObject({
    model_id: z.string(),
    rank: z.number(),
    score: z.object({
      metrics: z.record(z.string(), double),
      ranking: z.object({ key: z.string(), value: double, direction: z.string() }),
    }),
  }),
);
type BoardInput = z.output<typeof boardInput>;

const cases = vectorCases("leaderboard-windows.json");
const named = (fn: string): (readonly [string, VectorCase])[] =>
  cases.filter((c) => c.fn === fn && c.portable !== false).map((c) => [c.name, c] as const);
const value = <T>(c: VectorCase, schema: z.ZodType<T>): T => z.object({ value: schema }).parse(c.expected).value;
const raises = (c: VectorCase): boolean => Object.hasOwn(c.expected as object, "error");

const aggregationOf = ({ aggregation: a }: BoardInput): PeerAggregation => ({
  windows: new Map(Object.entries(a.windows).map(([name, w]) => [name, w.hours])),
  valueField: a.value_field,
  rankingKey: a.ranking_key,
  rankingDirection: a.ranking_direction,
});
const snapshotsOf = (input: BoardInput): PeerSnapshot[] =>
  input.snapshots.map((s) => ({ modelId: s.model_id, periodEndUs: s.period_end, summary: s.result_summary }));

describe("leaderboard-windows.json, as the peer answers (compat)", () => {
  test.each(named("LeaderboardService.rebuild"))("%s", (_name, c) => {
    const input = boardInput.parse(c.input);
    const board = () => peerBoard(snapshotsOf(input), aggregationOf(input), input.now);
    if (raises(c)) return expect(board).toThrow();
    const expected = value(c, boardRows);
    const got = board();
    expect(got.map((r) => [r.modelId, r.rank])).toEqual(expected.map((e) => [e.model_id, e.rank]));
    got.forEach((row, i) => {
      const { metrics, ranking } = expected[i]!.score;
      expect([...row.metrics.keys()].sort()).toEqual(Object.keys(metrics).sort());
      for (const [name, v] of row.metrics)
        expect(isClose(v, metrics[name]!), `${row.modelId} ${name}: ${v}`).toBe(true);
      expect(isClose(row.rankingValue, ranking.value)).toBe(true);
    });
  });

  test.each(named("report._compute_window_metrics"))("%s", (_name, c) => {
    const input = z
      .object({
        now: time,
        windows: z.record(z.string(), z.number()),
        scores: z.array(z.object({ performed_at: time, value: double })),
      })
      .parse(c.input);
    const expected = value(c, z.record(z.string(), double));
    const scores = input.scores.map((s) => ({ atUs: s.performed_at, value: s.value }));
    const got = peerWindowMeans(new Map(Object.entries(input.windows)), input.now, scores);
    expect([...got.keys()]).toEqual(Object.keys(expected));
    for (const [name, v] of got) expect(isClose(v, expected[name]!), `${name}: ${v}`).toBe(true);
  });

  test.each(named("default_aggregate_snapshot"))("%s", (_name, c) => {
    const { score_results } = z.object({ score_results: z.array(fields) }).parse(c.input);
    const expected = value(c, fields);
    const got = peerSummary(score_results);
    expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, v] of Object.entries(got))
      if (typeof v === "number") expect(isClose(v, expected[name] as number), `${name}: ${v}`).toBe(true);
      else expect(v).toEqual(expected[name]);
  });

  test.each(named("condor.Leaderboard.create"))("%s", (_name, c) => {
    const score = z.tuple([double.nullable(), double.nullable(), double.nullable()]);
    const input = z
      .object({ models: z.array(z.object({ id: z.string(), scores_by_param: z.array(z.tuple([z.string(), score])) })) })
      .parse(c.input);
    const expected = value(
      c,
      z.array(
        z.object({
          rank: z.number(),
          model_id: z.string(),
          recent: double.nullable(),
          steady: double.nullable(),
          anchor: double.nullable(),
        }),
      ),
    );
    const got = condorBoard(input.models.map((m) => ({ modelId: m.id, scores: m.scores_by_param.map(([, s]) => s) })));
    expect(got.map((r) => [r.rank, r.modelId])).toEqual(expected.map((e) => [e.rank, e.model_id]));
    got.forEach(({ scores }, i) => {
      [expected[i]!.recent, expected[i]!.steady, expected[i]!.anchor].forEach((e, k) => {
        const v = scores[k]!;
        expect(v === null || e === null ? v === e : isClose(v, e), `${k}: ${v} for ${e}`).toBe(true);
      });
    });
  });
});

const US_PER_MS = 1_000;
const HOUR_MS = 3_600_000;

/** The same snapshots as our board takes them: sums over the half-open window. Each stands for one prediction here, because every prediction counts once for us, and every snapshot for the peer. */
function standingsOf(input: BoardInput): Standing[] {
  const rules = rulesOf(input);
  const endMs = input.now / US_PER_MS;
  const inside = (ms: number, hours: number): boolean => ms > endMs - hours * HOUR_MS && ms <= endMs;
  return [...Map.groupBy(input.snapshots, (s) => s.model_id)].map(([modelId, own]) => {
    const sums = rules.windows.map(({ name, hours }): [string, WindowSum] => {
      const counted = own.filter((s) => inside(s.period_end / US_PER_MS, hours));
      return [
        name,
        {
          sum: counted.reduce((t, x) => t + (x.result_summary[input.aggregation.value_field] as number), 0),
          count: counted.length,
        },
      ];
    });
    const history = {
      modelId,
      scopes: new Map([["s", Object.fromEntries(sums)]]),
      metrics: {},
      firstMs: 0,
      asked: 1,
      answered: 1,
    };
    return standingOf(history, rules, { endMs, startedMs: 0, toleranceMs: 0 });
  });
}

const rulesOf = ({ aggregation: a }: BoardInput): BoardRules => ({
  windows: Object.entries(a.windows).map(([name, w]) => ({ name, hours: w.hours })),
  ranking: { key: a.ranking_key, direction: a.ranking_direction === "desc" ? "desc" : "asc" },
});

/** What our board cannot be given, or answers otherwise on purpose (docs/vectors.md). Null: the same order and numbers. */
function deliberateDifference(c: VectorCase): string | null {
  if (raises(c)) return "the peer raises";
  const input = boardInput.parse(c.input);
  const { value_field: field, ranking_key: key, windows } = input.aggregation;
  if (!(key in windows)) return "a metric of the latest snapshot, or no window at all, ranks";
  const values = input.snapshots.map((s) => s.result_summary[field]);
  if (!values.every((v) => typeof v === "number" && Number.isFinite(v))) return "a value that is no finite number";
  if (input.snapshots.some((s) => s.period_end > input.now)) return "the future";
  return null;
}

describe("leaderboard-windows.json, ours", () => {
  const comparable = named("LeaderboardService.rebuild").filter(([, c]) => deliberateDifference(c) === null);
  test("some can be compared", () => expect(comparable.length).toBeGreaterThan(3));

  /** An exact cut-off is outside for us, an empty window is null and last for us, equal values share a rank: the peer's rows that stay must agree. */
  test.each(comparable)("%s", (_name, c) => {
    const input = boardInput.parse(c.input);
    const edges = new Set(
      Object.values(input.aggregation.windows).map((w) => input.now / US_PER_MS - w.hours * HOUR_MS),
    );
    const onEdge = (id: string): boolean =>
      input.snapshots.some((s) => s.model_id === id && edges.has(s.period_end / US_PER_MS));
    const got = rank(standingsOf(input), rulesOf(input).ranking).filter((r) => !onEdge(r.modelId));
    const alive = new Map(got.filter((r) => r.rankingValue !== null).map((r) => [r.modelId, r]));
    const expected = value(c, boardRows).filter((e) => alive.has(e.model_id));
    for (const e of expected)
      for (const [name, w] of Object.entries(alive.get(e.model_id)!.windows))
        if (w.value !== null) expect(isClose(w.value, e.score.metrics[name]!), `${e.model_id} ${name}`).toBe(true);
    const values = expected.map((e) => e.score.ranking.value);
    if (new Set(values).size === values.length) expect([...alive.keys()]).toEqual(expected.map((e) => e.model_id));
    else expect(new Set([...alive.values()].map((r) => r.rank)).size).toBe(new Set(values).size);
  });

  test("a silent model is never before one that answered badly", () => {
    for (const [, c] of named("LeaderboardService.rebuild")) {
      if (deliberateDifference(c) !== null) continue;
      const input = boardInput.parse(c.input);
      const values = rank(standingsOf(input), rulesOf(input).ranking).map((r) => r.rankingValue);
      const silent = values.indexOf(null);
      if (silent >= 0) expect(values.slice(silent).every((v) => v === null)).toBe(true);
    }
  });

  /** What the peer refuses, ours refuses at the start; but a window may well be a part of an hour. */
  test.each(named("Aggregation"))("%s", (_name, c) => {
    expect(raises(c)).toBe(true);
    const { windows } = z
      .object({ aggregation: z.object({ windows: z.record(z.string(), z.object({ hours: z.number() })).default({}) }) })
      .parse(c.input).aggregation;
    const named = Object.entries(windows).map(([name, w]) => ({ name, hours: w.hours }));
    const contract = defineCompetition({ id: "c", score: () => ({ value: 1 }) });
    const problems = contractProblems({ ...contract, windows: named, ranking: { key: "w", direction: "desc" } });
    const refused = named.length === 0 || named.some((w) => w.hours <= 0);
    expect(problems.some((p) => p.where.startsWith("windows") || p.where.startsWith("ranking"))).toBe(refused);
  });

  test.each(named("default_aggregate_snapshot"))("%s", (_name, c) => {
    const results = z.object({ score_results: z.array(fields) }).parse(c.input).score_results;
    const expected = value(c, fields);
    for (const [name, v] of Object.entries(meanOfFields(results))) {
      const given = results.map((r) => r[name]).filter((x) => x !== undefined && x !== null);
      if (given.every((x) => typeof x === "number" && Number.isFinite(x)))
        expect(isClose(v, expected[name] as number), name).toBe(true);
      else expect(Number.isFinite(v)).toBe(true);
    }
    expect(Object.values(meanOfFields(results)).every((v) => typeof v === "number")).toBe(true);
  });
});
