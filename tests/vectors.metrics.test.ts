import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { METRICS, seriesOf } from "../domain/metrics.ts";

const folder = resolve(process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors"));
const number = z.union([z.number(), z.object({ $num: z.string() }).transform((v) => Number(v.$num))]);
const row = z.looseObject({ inference_output: z.unknown().optional(), result: z.unknown().optional() });
const file = z.object({
  cases: z.array(z.looseObject({ name: z.string(), fn: z.string(), input: z.unknown(), expected: z.unknown() })),
});
const metricsInput = z.object({ predictions: z.array(row), scores: z.array(row) });
const numeric = z.object({ value: z.number() });
const actual = z.object({ actual_return: z.number(), value: z.number() });

/** ours differs on purpose: average ranks for ties, sign of a steady chunk, joined rows instead of list positions */
const cases = file.parse(JSON.parse(readFileSync(join(folder, "metrics.json"), "utf8"))).cases;

/** One value has no drawdown for the peer; ours counts the fall from 0. The rest is the part in which the peer's pairing by position is the same as a join: plain numbers, equally many, no ties. */
const plain = cases
  .filter((c) => c.fn === "metrics")
  .flatMap((c) => {
    const input = metricsInput.safeParse(c.input);
    if (!input.success || input.data.predictions.length !== input.data.scores.length) return [];
    const outputs = input.data.predictions.map((p) => numeric.safeParse(p.inference_output));
    const results = input.data.scores.map((s) => actual.safeParse(s.result));
    if (outputs.some((o) => !o.success) || results.some((r) => !r.success)) return [];
    const rows = outputs.map((o, i) => ({
      predicted: o.data!.value,
      actual: results[i]!.data!.actual_return,
      value: results[i]!.data!.value,
    }));
    const distinct =
      new Set(rows.map((r) => r.predicted)).size === rows.length &&
      new Set(rows.map((r) => r.actual)).size === rows.length;
    return distinct && rows.length > 1
      ? [{ name: c.name, rows, expected: c.expected as Record<string, { value?: unknown }> }]
      : [];
  });

describe("metrics.json, where pairing by position and joining agree", () => {
  test("there are such cases", () => expect(plain.length).toBeGreaterThan(5));
  describe.each(plain.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    test.each(Object.keys(METRICS))("%s", (metric) => {
      const expected = number.parse(c.expected[metric]?.value);
      const tolerance = Math.max(1e-12, 1e-9 * Math.abs(expected));
      expect(Math.abs(METRICS[metric]!(seriesOf(c.rows)) - expected)).toBeLessThanOrEqual(tolerance);
    });
  });
});
