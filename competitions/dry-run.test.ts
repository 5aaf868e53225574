import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Competition } from "./competition.ts";
import { defineCompetition } from "./define.ts";
import { dryRun } from "./dry-run.ts";
import { contractScorer } from "./scorer.ts";

type Own = Parameters<typeof defineCompetition>[0];
const standard: Own = { id: "x", score: (p, t) => ({ value: p.value * t.profit }) };
const scopes = [
  {
    scopeKey: "X-60",
    scope: { subject: "X", resolve_horizon_seconds: 60, step_seconds: 15 },
    everyMs: 15_000,
    resolveAfterMs: 60_000,
    giveUpAfterMs: 60_000,
  },
];

async function findings(own: object) {
  const competition = { ...defineCompetition(standard), ...own } as unknown as Competition;
  const scorer = contractScorer(competition.score, "hash");
  const { problems, notes } = await dryRun({ competition, scorer, outputCheck: null, scopes, granularityMs: 1_000 });
  const lines = (found: typeof problems) => found.map(({ where, what }) => `${where}: ${what}`);
  return { problems: lines(problems), notes: lines(notes) };
}
const price = z.object({ price: z.number() });

describe("goes through", () => {
  test.each([
    ["the standard contract", {}],
    [
      "a sign",
      {
        score: (p: { value: number }, t: { profit: number }) => ({
          value: Math.sign(p.value) === Math.sign(t.profit) ? 1 : 0,
        }),
      },
    ],
    [
      "a price, clipped at zero",
      {
        output: price,
        pair: (): null => null,
        metrics: [],
        score: (p: { price: number }, t: { resolved_price: number }) => ({
          value: Math.max(0, 1 - Math.abs(p.price - t.resolved_price) / t.resolved_price),
        }),
      },
    ],
    ["a constant that is meant", { score: () => ({ value: 1 }), allowConstantScorer: true }],
    [
      "an emission of one's own",
      { buildEmission: (models: { modelId: string }[]) => ({ [models[0]!.modelId]: 2, [models[1]!.modelId]: 1n }) },
    ],
    [
      "a ranker of one's own beside an emission of one's own",
      {
        rankModels: (rows: { modelId: string }[]) => [rows.map((r) => r.modelId)],
        buildEmission: (models: { modelId: string }[]) => ({ [models[0]!.modelId]: 1 }),
      },
    ],
    [
      "an aggregator without a value, where a metric ranks",
      { aggregateSnapshot: () => ({ best: 1 }), ranking: { key: "ic", direction: "desc" } },
    ],
    [
      "an aggregator of one's own",
      { aggregateSnapshot: (results: { value: number }[]) => ({ value: Math.max(...results.map((r) => r.value)) }) },
    ],
  ])("%s", async (_name, own) => expect(await findings(own)).toEqual({ problems: [], notes: [] }));
});

describe("is refused, with what to write", () => {
  const endless = () => {
    for (;;);
  };
  test.each([
    [
      "an emission that throws",
      {
        buildEmission: () => {
          throw new Error("no");
        },
      },
      /^buildEmission: throws on sample values: buildEmission throws no/,
    ],
    [
      "an emission by contribution without pairs",
      {
        emission: { strategy: "contribution_weighted" },
        metrics: ["contribution", "model_correlation"],
        ensembles: [{ name: "main", strategy: "equal_weight" }],
        pair: (): null => null,
      },
      /^emission\.strategy: contribution_weighted compares pairs/,
    ],
    ["an emission of fractions", { buildEmission: () => ({ a: 0.5 }) }, /^buildEmission: .*"a" the weight 0\.5/],
    ["an emission of nobody", { buildEmission: () => ({}) }, /^buildEmission: .*none of the 3 ranked models/],
    [
      "a constant scorer",
      { score: () => ({ value: 0 }) },
      /^score: gives 0 for every prediction that was tried on 4 truth\(s\), such as \{"value":0\.5\}.*allowConstantScorer/,
    ],
    [
      "one that ignores the prediction",
      { score: (_p: unknown, t: { profit: number }) => ({ value: t.profit }) },
      /^score: gives .* for every prediction/,
    ],
    [
      "one that throws",
      {
        score: () => {
          throw new Error("no");
        },
      },
      /^score: gives no score for any sample: Error: no for the prediction \{"value":0\.5\} and the truth \{"entry_price"/,
    ],
    ["NaN", { score: () => ({ value: Number.NaN }) }, /^score: gives no score for any sample: value is NaN/],
    [
      "a bare number",
      { score: () => 5 },
      /^score: gives no score for any sample: the answer 5 has no number called value/,
    ],
    ["nothing", { score: () => undefined }, /^score: gives no score for any sample: the answer undefined/],
    ["one that hangs", { score: endless }, /^score: gives no score for any sample: the scorer did not end in time/],
    [
      "a builder that throws",
      {
        buildInput: () => {
          throw new Error("no");
        },
      },
      /^buildInput: throws on sample values: no/,
    ],
    [
      "a builder of something else",
      { buildInput: () => ({ symbol: 5 }) },
      /^buildInput: builds what the input schema refuses/,
    ],
    [
      "a resolver that throws",
      {
        resolveTruth: () => {
          throw new Error("no");
        },
      },
      /^resolveTruth: throws on sample values: no/,
    ],
    [
      "a resolver that hangs",
      { resolveTruth: endless },
      /^resolveTruth: throws on sample values: it did not end within 1000 ms/,
    ],
    ["a bare truth", { resolveTruth: () => 0.5 }, /^resolveTruth: answers 0\.5: write \{ resolved, evidence \}/],
    [
      "another truth",
      { resolveTruth: () => ({ resolved: { up: true }, evidence: {} }) },
      /^resolveTruth: resolves to what the truth schema refuses/,
    ],
    ["a pair of texts", { pair: () => ({ predicted: "up", actual: 1 }) }, /^pair: answers/],
    [
      "a ranking by a metric of no pairs",
      { pair: (): null => null, ranking: { key: "ic", direction: "desc" } },
      /^ranking\.key: ic compares pairs/,
    ],
    [
      "an aggregator without a value",
      { aggregateSnapshot: () => ({ best: 1 }) },
      /^aggregateSnapshot: answers \{"best":1\}: it needs a finite number called value/,
    ],
    ["a ranker that forgets", { rankModels: () => ["a"] }, /^rankModels: leaves out b, c/],
    ["a ranker that invents", { rankModels: () => ["a", "b", "c", "d"] }, /^rankModels: names "d"/],
    ["a ranker that doubles", { rankModels: () => [["a", "b"], "c", "a"] }, /^rankModels: names a twice/],
    [
      "samples that its own check refuses",
      {
        samples: { outputs: [{ value: 1 }, { value: 2 }] },
        validateOutput: () => {
          throw new Error("never");
        },
      },
      /^samples\.outputs: validateOutput refuses the sample outputs \(Error: never\)/,
    ],
  ])("%s", async (_name, own, says) => {
    const { problems } = await findings(own);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(says);
  });
});

test("what cannot be tried is said, and samples of the contract's own help", async () => {
  const output = z.object({ value: z.number() }).refine(({ value }) => value === 41 || value === 43);
  const alone = await findings({ output, score: (p: { value: number }) => ({ value: p.value }) });
  expect(alone).toEqual({
    problems: [],
    notes: [expect.stringMatching(/^output: no sample outputs can be made from its schema/)],
  });
  const samples = { outputs: [{ value: 41 }, { value: 43 }] };
  expect((await findings({ output, samples, score: () => ({ value: 1 }) })).problems[0]).toMatch(
    /^score: gives 1 for every/,
  );
  expect(await findings({ output, samples: () => samples })).toEqual({ problems: [], notes: [] });
});

test("a ranker of one's own orders no payments, and that is said", async () => {
  const rankModels = (rows: { modelId: string }[]) => [rows.map((r) => r.modelId)];
  expect(await findings({ rankModels })).toEqual({
    problems: [],
    notes: [expect.stringMatching(/^rankModels: orders the leaderboard only: checkpoints pay by ranking\.key/)],
  });
});

test("a scorer that refuses some samples is noted, not refused", async () => {
  const picky = (p: { value: number }, t: { profit: number }) => {
    if (p.value < 0) throw new RangeError("below zero");
    return { value: p.value * t.profit };
  };
  const { problems, notes } = await findings({ score: picky });
  expect(problems).toEqual([]);
  expect(notes[0]).toMatch(
    /^score: gives no score for 8 of 24 samples: RangeError: below zero for the prediction \{"value":-0\.7\}/,
  );
});
