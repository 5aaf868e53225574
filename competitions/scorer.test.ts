import { describe, expect, test } from "vitest";
import type { Competition } from "./competition.ts";
import { contractScorer, type ScoreItem } from "./scorer.ts";

const item = (value: unknown): ScoreItem => ({
  predictionId: `p-${value}`,
  modelId: "m",
  output: { value },
  truth: { profit: 2 },
  scope: { subject: "X" },
});
const scorer = (score: (value: unknown) => unknown) =>
  contractScorer(((output: { value: unknown }) => score(output.value)) as Competition["score"], "h", 200);
const forEver = (): never => {
  for (;;);
};

describe("the contract's own scorer", () => {
  test("gives one outcome per prediction, in order; one that throws costs only itself", async () => {
    const asked = scorer((value) => {
      if (value === 2) throw new RangeError("not two");
      return { value: Number(value) * 10 };
    });
    expect(await asked.scoreBatch([1, 2, 3].map(item))).toEqual([
      { result: { value: 10 } },
      { error: "RangeError: not two" },
      { result: { value: 30 } },
    ]);
  });

  test("one that does not end is interrupted; the others are scored, and the process lives on in between", async () => {
    const asked = scorer((value) => (value === "hang" ? forEver() : { value: 1 }));
    let beats = 0;
    const beat = setInterval(() => beats++, 1);
    const outcomes = await asked.scoreBatch([1, "hang", 3, "hang", 5].map(item));
    clearInterval(beat);
    expect(outcomes[0]).toEqual({ result: { value: 1 } });
    expect(outcomes[1]).toMatchObject({ error: expect.stringContaining("did not end in time"), final: true });
    for (const i of [2, 4]) expect(outcomes[i]).toEqual({ result: { value: 1 } });
    expect(beats).toBeGreaterThan(0);
  });

  test("a regular expression that backtracks for ever is interrupted like a loop", async () => {
    const asked = scorer(() => ({ value: Number(/^(a+)+$/.test(`${"a".repeat(60)}b`)) }));
    expect((await asked.scoreBatch([item(1)]))[0]).toMatchObject({ final: true });
  });

  test("however many hang, nobody else goes without a score, and the time that is given to each shrinks", async () => {
    const asked = scorer((value) => (typeof value === "number" ? { value } : forEver()));
    const hostile = Array.from({ length: 20 }, (_, i) => `hang ${i}`);
    const start = performance.now();
    const outcomes = await asked.scoreBatch([...hostile, 7].map(item));
    expect(performance.now() - start, "three at 220 ms, three at 40, the others at 25").toBeLessThan(3_000);
    expect(outcomes.at(-1)).toEqual({ result: { value: 7 } });
    expect(outcomes.filter((o) => "error" in o && o.final)).toHaveLength(20);
  });

  test("a long batch lets the process do its other work", async () => {
    const asked = scorer(() => {
      const end = performance.now() + 5;
      while (performance.now() < end);
      return { value: 1 };
    });
    let beats = 0;
    const beat = setInterval(() => beats++, 1);
    await asked.scoreBatch(Array.from({ length: 40 }, (_, i) => item(i))); // 200 ms in slices of 20
    clearInterval(beat);
    expect(beats).toBeGreaterThanOrEqual(4);
  });

  test("a batch that nobody waits for any more is given up", async () => {
    await expect(
      scorer(() => ({ value: 1 })).scoreBatch([item(1)], AbortSignal.abort(new Error("gone"))),
    ).rejects.toThrow("gone");
  });
});
