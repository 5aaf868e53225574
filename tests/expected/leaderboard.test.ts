import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { closeToClose, type ReturnTruth } from "../../competitions/close-to-close.ts";
import type { MarketRecord } from "../../competitions/competition.ts";
import realtime from "../../competitions/realtime/competition.ts";
import {
  type BoardRules,
  type ModelHistory,
  type Ranked,
  rank,
  standingOf,
  type WindowSum,
} from "../../domain/leaderboard.ts";
import { Random } from "../../domain/random.ts";

/** The board by an independent program (leaderboard.py) against the board by ours, from the same records and answers. */
const PROGRAM = join(import.meta.dirname, "leaderboard.py");
const RECORDED = join(process.env.MARKET_DATA_DIR ?? "../shared/data", "xrp-eth-1m.csv");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Output {
  model: string;
  scope: string;
  subject: string;
  due_ms: number;
  resolve_ms: number;
  value: number | null;
}
interface World {
  rules: BoardRules;
  endMs: number;
  startedMs: number;
  records: MarketRecord[];
  outputs: Output[];
  /** candles that the program reads from a file by itself */
  csv?: string;
}
interface Expected {
  rank: number;
  model: string;
  value: number | null;
  windows: Record<string, number | null>;
  overall: number | null;
  participation: number | null;
  newcomer: boolean;
}

function byProgram({ rules, endMs, startedMs, records, outputs, csv }: World): Expected[] {
  const { ranking, participationFloor, overall } = rules;
  const lines: unknown[] = [
    {
      kind: "rules",
      end_ms: endMs,
      started_ms: startedMs,
      windows: Object.fromEntries(rules.windows.map((w) => [w.name, w.hours])),
      rank_by: ranking.key,
      direction: ranking.direction,
      floor: participationFloor ?? 0,
      granularity_ms: MINUTE,
      tolerance_ms: HOUR,
      ...(overall ? { overall } : {}),
    },
    ...outputs.map((o) => ({ kind: "output", ...o })),
  ];
  if (!csv)
    for (const r of records)
      lines.push({
        kind: "record",
        subject: r.subject,
        final_ms: r.tsFinal,
        close: r.values.close,
        segment: r.segment,
      });
  const args = csv ? [csv, "XRP", String(MINUTE)] : [];
  const input = lines.map((line) => JSON.stringify(line)).join("\n");
  return JSON.parse(execFileSync("python3", [PROGRAM, "-", ...args], { input, encoding: "utf8" })) as Expected[];
}

/** Our side: truth, score and missing policy of the pack, sums per model and window, board. */
function byOurs(world: World): Ranked[] {
  const histories = new Map<
    string,
    { sums: Map<string, Record<string, WindowSum>>; firstMs: number; asked: number; answered: number }
  >();
  const spanMs = 1_000 * HOUR; // participation over everything: the test's windows are all inside
  for (const round of Map.groupBy(world.outputs, (o) => `${o.scope}/${o.due_ms}`).values())
    for (const { output, value } of scoresOf(world, round)) {
      const own = histories.get(output.model) ?? {
        sums: new Map(),
        firstMs: Number.POSITIVE_INFINITY,
        asked: 0,
        answered: 0,
      };
      histories.set(output.model, own);
      own.firstMs = Math.min(own.firstMs, output.resolve_ms);
      if (output.resolve_ms >= world.endMs - Math.min(spanMs, rankingSpan(world.rules))) {
        own.asked++;
        own.answered += output.value === null ? 0 : 1;
      }
      if (value === null) continue;
      const sums = own.sums.get(output.scope) ?? {};
      own.sums.set(output.scope, sums);
      for (const w of world.rules.windows)
        if (output.resolve_ms >= world.endMs - w.hours * HOUR) {
          const before = sums[w.name] ?? { sum: 0, count: 0 };
          sums[w.name] = { sum: before.sum + value, count: before.count + 1 };
        }
    }
  const time = { endMs: world.endMs, startedMs: world.startedMs, toleranceMs: HOUR };
  const standings = [...histories].map(([modelId, { sums, ...rest }]) => {
    const history: ModelHistory = { modelId, scopes: sums, metrics: {}, ...rest };
    return standingOf(history, world.rules, time);
  });
  return rank(standings, world.rules.ranking);
}

const rankingSpan = (rules: BoardRules): number =>
  HOUR *
  Math.max(
    ...rules.windows.filter((w) => rules.ranking.key === "overall" || w.name === rules.ranking.key).map((w) => w.hours),
  );

function scoresOf(
  { records, endMs, rules }: World,
  round: readonly Output[],
): { output: Output; value: number | null }[] {
  const { subject, due_ms: dueMs, resolve_ms: resolveAtMs } = round[0]!;
  if (resolveAtMs >= endMs) return [];
  const own = records.filter((r) => r.subject === subject);
  const resolution = closeToClose({
    scope: { subject },
    dueMs,
    resolveAtMs,
    granularityMs: MINUTE,
    knownUntilMs: own.at(-1)?.tsFinal ?? 0,
    records: own,
  });
  if (!("resolved" in resolution)) return [];
  const truth: ReturnTruth = resolution.resolved;
  const values = round.map((o) => (o.value === null ? null : realtime.score({ value: o.value }, truth).value));
  const valid = values.filter((v) => v !== null);
  const worst =
    valid.length === 0 ? null : rules.ranking.direction === "desc" ? Math.min(...valid) : Math.max(...valid);
  return round.map((output, i) => ({ output, value: values[i] ?? worst }));
}

function expectSameBoard(world: World): void {
  const expected = byProgram(world);
  const got = byOurs(world);
  expect(got.map((r) => [r.rank, r.modelId, r.newcomer])).toEqual(expected.map((e) => [e.rank, e.model, e.newcomer]));
  const close = (a: number | null, b: number | null): void => {
    if (a === null || b === null) expect(a).toBe(b);
    else expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * Math.max(1e-6, Math.abs(b)));
  };
  got.forEach((row, i) => {
    close(row.rankingValue, expected[i]!.value);
    close(row.overall ?? null, expected[i]!.overall);
    close(row.participation ?? null, expected[i]!.participation);
    for (const [name, w] of Object.entries(row.windows)) close(w.value, expected[i]!.windows[name]!);
  });
}

const windows = [
  { name: "score_recent", hours: 2 },
  { name: "score_anchor", hours: 6 },
];
const candle = (subject: string, openMs: number, close: number, segment = ""): MarketRecord => ({
  subject,
  tsEvent: openMs,
  tsFinal: openMs + MINUTE,
  values: { close },
  segment,
});

/** What models say of a round, from the prices alone: some are often silent, one came late, two always agree. */
function answersOf(
  records: readonly MarketRecord[],
  subject: string,
  span: { fromMs: number; endMs: number },
  random: Random,
): Output[] {
  const closes = records.filter((r) => r.subject === subject);
  const outputs: Output[] = [];
  for (let due = span.fromMs; due < span.endMs; due += 2 * MINUTE) {
    const seen = closes.filter((r) => r.tsFinal <= due).slice(-5);
    const trend = seen.length < 2 ? 0 : seen.at(-1)!.values.close! / seen[0]!.values.close! - 1;
    const chance = (): number => random.next() / 2 ** 32;
    const said: Record<string, number | null> = {
      trend,
      reversal: -trend,
      twin: trend,
      flat: 0,
      moody: chance() < 0.6 ? null : trend * 2,
      silent: null,
      ...(due > span.endMs - 90 * MINUTE ? { late: 5 * trend } : {}),
    };
    for (const [model, value] of Object.entries(said))
      outputs.push({ model, scope: `${subject}-300`, subject, due_ms: due, resolve_ms: due + 5 * MINUTE, value });
  }
  return outputs;
}

function generated(seed: string): Pick<World, "records" | "outputs" | "endMs" | "startedMs"> {
  const random = new Random(seed);
  const startedMs = 1_700_000_000_000 - (1_700_000_000_000 % HOUR);
  const endMs = startedMs + 8 * HOUR;
  const records = ["BTC", "ETH"].flatMap((subject) => {
    let price = 100;
    return Array.from({ length: 8 * 60 }, (_, i) => {
      price *= 1 + (random.next() / 2 ** 32 - 0.5) / 500;
      const broken = i > 200 ? "b" : "a";
      return candle(subject, startedMs + i * MINUTE, i % 97 === 0 ? -price : price, broken);
    }).filter((_, i) => i % 60 < 50 || subject === "BTC"); // ETH has a hole of ten minutes each hour
  });
  const outputs = ["BTC", "ETH"].flatMap((s) => answersOf(records, s, { fromMs: startedMs, endMs }, random));
  return { records, outputs, endMs, startedMs };
}

describe("generated data with holes, breaks, impossible prices and missing answers", () => {
  test.each([
    ["a window ranks", { windows, ranking: { key: "score_recent", direction: "desc" } }],
    ["lower is better", { windows, ranking: { key: "score_anchor", direction: "asc" } }],
    [
      "overall ranks",
      { windows, ranking: { key: "overall", direction: "desc" }, overall: { score_recent: 3, score_anchor: 1 } },
    ],
    [
      "a participation floor",
      { windows, ranking: { key: "score_anchor", direction: "desc" }, participationFloor: 0.8 },
    ],
  ] as [string, BoardRules][])("%s", (_name, rules) => {
    const world: World = { ...generated(_name), rules };
    expectSameBoard(world);
    const rows = byOurs(world);
    expect(rows).toHaveLength(7);
    expect(rows.find((r) => r.modelId === "twin")!.rank).toBe(rows.find((r) => r.modelId === "trend")!.rank);
    expect(rows.find((r) => r.modelId === "late")!.newcomer).toBe(rules.ranking.key !== "score_recent");
  });

  test("the program sees a difference", () => {
    const world: World = {
      ...generated("other"),
      rules: { windows, ranking: { key: "score_recent", direction: "desc" } },
    };
    const other = world.outputs.map((o) =>
      o.model === "twin" && o.value !== null ? { ...o, value: o.value + 1e-7 } : o,
    );
    expect(byProgram({ ...world, outputs: other })).not.toEqual(byProgram(world));
  });

  test("the order of the lines plays no part", () => {
    const world: World = { ...generated("order"), rules: { windows, ranking: { key: "overall", direction: "desc" } } };
    expect(byProgram({ ...world, outputs: world.outputs.toReversed() })).toEqual(byProgram(world));
    expect(byOurs({ ...world, outputs: world.outputs.toReversed() }).map((r) => r.modelId)).toEqual(
      byOurs(world).map((r) => r.modelId),
    );
  });
});

describe.skipIf(!existsSync(RECORDED))(`recorded candles with their gaps (skipped where ${RECORDED} is absent)`, () => {
  test("the boards are the same", () => {
    const rows = readFileSync(RECORDED, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").map(Number));
    const records = rows.map(([ts, , , , close]) => candle("XRP", ts!, close!));
    const startedMs = records[0]!.tsEvent;
    const endMs = startedMs + 30 * HOUR;
    const random = new Random("recorded");
    const outputs = answersOf(records, "XRP", { fromMs: startedMs, endMs }, random);
    const rules: BoardRules = {
      windows: [
        { name: "score_recent", hours: 10 },
        { name: "score_anchor", hours: 30 },
      ],
      ranking: { key: "score_anchor", direction: "desc" },
    };
    const world: World = { rules, endMs, startedMs, records, outputs, csv: RECORDED };
    expectSameBoard(world);
    expect(records.some((r, i) => i > 0 && r.tsEvent - records[i - 1]!.tsEvent > 5 * MINUTE)).toBe(true);
  });
});
