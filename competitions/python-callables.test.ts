import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { CallOutcome } from "../models/callables/callable-process.ts";
import type { PythonCallable } from "../models/callables/python-callable.ts";
import {
  argumentsProblem,
  pythonAggregator,
  pythonEmission,
  pythonInputBuilder,
  pythonOutputCheck,
  pythonRanker,
  pythonResolver,
  pythonScorer,
} from "./python-callables.ts";

/** A callable that answers each call by `answer`, and remembers what it was given. */
function fake(answer: (args: readonly unknown[]) => unknown, takes: number | null = 9) {
  const given: unknown[][] = [];
  const callable: PythonCallable = {
    takes,
    call: async (calls) =>
      calls.map((args): CallOutcome => {
        given.push([...args]);
        const value = answer(args);
        return value instanceof Error ? { error: value.message } : { value };
      }),
    close: async () => undefined,
  };
  return { callable, given };
}
const item = {
  predictionId: "PRE_1",
  modelId: "m",
  output: { value: 2 },
  truth: { profit: 3 },
  scope: { subject: "X" },
};

describe("a scorer", () => {
  test("gets the prediction with its ids, the truth, and the scope only where it asks for it", async () => {
    const two = fake(() => 1, 2);
    await pythonScorer(two.callable, "h").scoreBatch([item]);
    expect(two.given).toEqual([[{ value: 2, model_id: "m", prediction_id: "PRE_1" }, { profit: 3 }]]);
    const three = fake(() => 1, 3);
    await pythonScorer(three.callable, "h").scoreBatch([item]);
    expect(three.given[0]![2]).toEqual({ subject: "X" });
    const any = fake(() => 1, null);
    await pythonScorer(any.callable, "h").scoreBatch([item]);
    expect(any.given[0]).toHaveLength(2);
  });

  test.each([
    [1.5, { result: { value: 1.5 } }],
    [{ value: 1, success: true, failed_reason: null }, { result: { value: 1, success: true } }],
    [null, { error: "the scorer answered None: return a number or a dict with a value" }],
    [true, { error: "the scorer answered boolean true: return a number or a dict with a value" }],
    ["good", { error: "the scorer answered string good: return a number or a dict with a value" }],
    [[1], { error: "the scorer answered a list: return a number or a dict with a value" }],
    [2n ** 60n, { error: `the scorer answered bigint ${2n ** 60n}: return a number or a dict with a value` }],
    [
      { value: 2n ** 60n },
      { error: `the scorer answered value = ${2n ** 60n}, an integer beyond 2^53: return a float` },
    ],
    [new Error("ValueError: no"), { error: "ValueError: no" }],
  ])("answers %s", async (answer, outcome) => {
    expect(await pythonScorer(fake(() => answer).callable, "h").scoreBatch([item])).toEqual([outcome]);
  });
});

test("a check of outputs takes, changes or refuses", async () => {
  const schema = z.object({ value: z.number() });
  const answers: unknown[] = [null, true, { value: 9 }, false, { value: "x" }, new Error("ValueError: too bold")];
  const { callable } = fake(([output]) => answers[(output as { value: number }).value]);
  const items = answers.map((_, value) => ({ output: { value }, scope: { subject: "X" } }));
  expect(await pythonOutputCheck(callable, schema).checkBatch(items)).toEqual([
    { output: { value: 0 } },
    { output: { value: 1 } },
    { output: { value: 9 } },
    { refused: "the validator says False" },
    { refused: expect.stringContaining("the validator gave back something else than an output") },
    { refused: "ValueError: too bold" },
  ]);
});

test("an input builder gets the standard input, and what it answers must fit the schema", async () => {
  const { callable, given } = fake(([raw]) => ({ ...(raw as object), extra: 1 }));
  const build = pythonInputBuilder(callable, (subject) => ({ symbol: subject }), z.object({ symbol: z.string() }));
  expect(await build("X", 5, [])).toEqual({ symbol: "X", extra: 1 });
  expect(given).toEqual([[{ symbol: "X" }]]);
  const broken = pythonInputBuilder(fake(() => null).callable, () => ({}), z.object({ symbol: z.string() }));
  await expect(broken("X", 5, [])).rejects.toThrow(/the input builder answered None/);
});

describe("a resolver", () => {
  const record = { subject: "X", tsEvent: 1, tsFinal: 2, values: { close: 7 }, segment: "" };
  const request = {
    scope: { subject: "X" },
    dueMs: 1,
    resolveAtMs: 5,
    granularityMs: 1,
    knownUntilMs: 5,
    records: [record],
  };

  test.each([
    [{ profit: 1 }, { resolved: { profit: 1 }, evidence: { resolver: "python", records: 1 } }],
    [null, { wait: "the resolver says: not yet" }],
    [{ wait: "the exchange is closed" }, { wait: "the exchange is closed" }],
    [{ unresolvable: "delisted" }, { unresolvable: "delisted" }],
    [5, { unresolvable: "the resolver answered number 5: return a dict or None" }],
  ])("answers %j", async (answer, resolution) => {
    const { callable, given } = fake(() => answer);
    expect(await pythonResolver(callable)(request)).toEqual(resolution);
    expect(given[0]![0]).toEqual([{ subject: "X", ts_event_ms: 1, ts_final_ms: 2, segment: "", values: { close: 7 } }]);
  });

  test("is not asked before the closing records are known", async () => {
    const { callable, given } = fake(() => ({}));
    expect(await pythonResolver(callable)({ ...request, knownUntilMs: 4 })).toHaveProperty("wait");
    expect(given).toEqual([]);
  });
});

test("an aggregator answers a dict of plain values, a ranker a list", async () => {
  expect(await pythonAggregator(fake(() => ({ value: 1, note: null })).callable)([])).toEqual({ value: 1, note: null });
  await expect(pythonAggregator(fake(() => ({ value: [1] })).callable)([])).rejects.toThrow(/value = a list/);
  const row = { modelId: "m", metrics: { ic: 1 }, predictionCount: 2, newcomer: false };
  const ranker = fake(([rows]) => (rows as { model_id: string }[]).map((r) => r.model_id));
  expect(await pythonRanker(ranker.callable)([row])).toEqual(["m"]);
  expect(ranker.given[0]).toEqual([[{ model_id: "m", metrics: { ic: 1 }, prediction_count: 2, newcomer: false }]]);
  await expect(pythonRanker(fake(() => "m").callable)([row])).rejects.toThrow(/return a list of model ids/);
});

test("one that takes too few arguments says which it is given", () => {
  expect(argumentsProblem("score", 1)).toBe("takes 1 argument(s) by position; write it as (prediction, ground_truth)");
  expect(argumentsProblem("score", 2)).toBeNull();
  expect(argumentsProblem("resolveTruth", null)).toBeNull();
});

describe("an emission builder", () => {
  const ranking = [{ modelId: "m", cruncherId: "c", rank: 1, value: 2, predictionCount: 3, summary: { ic: 0.5 } }];
  test("gets the ranking as dicts, and gives weights", async () => {
    const builder = fake(() => ({ m: 2n ** 70n }));
    expect(await pythonEmission(builder.callable)(ranking)).toEqual({ m: 2n ** 70n });
    expect(builder.given).toEqual([
      [[{ model_id: "m", cruncher_id: "c", rank: 1, value: 2, prediction_count: 3, result_summary: { ic: 0.5 } }]],
    ]);
  });
  test("answers a dict, or is refused", async () => {
    await expect(pythonEmission(fake(() => [1]).callable)(ranking)).rejects.toThrow(
      "the emission builder answered a list: return a dict",
    );
    await expect(pythonEmission(fake(() => new Error("boom")).callable)(ranking)).rejects.toThrow("boom");
  });
});
