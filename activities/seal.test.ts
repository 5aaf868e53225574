import { describe, expect, test } from "vitest";
import type { PeriodSnapshot } from "../db/period-snapshots.ts";
import { contendersOf, emissionTable } from "./seal.ts";

const snapshot = (value: number | null, count: number, more: Partial<PeriodSnapshot> = {}): PeriodSnapshot => ({
  ...{
    id: "s",
    model_id: "m",
    model_name: "m",
    cruncher_id: "c",
    cruncher_name: "c",
    content_hash: "",
    value,
    prediction_count: count,
  },
  ...{ superseded_count: null, superseded_value: null },
  ...more,
});

describe("the value of a model over a period", () => {
  test("is the mean of its snapshots, weighted by predictions", () => {
    expect(contendersOf([snapshot(1, 10), snapshot(4, 5)])).toMatchObject([{ value: 2, predictionCount: 15 }]);
  });
  test("a snapshot without a value counts for nothing", () => {
    expect(contendersOf([snapshot(3, 2), snapshot(null, 50)])).toMatchObject([{ value: 3, predictionCount: 2 }]);
  });
  test("a model without anything that counts is no contender: its mean would be no number", () => {
    const voided = snapshot(null, 0, { superseded_value: 1, superseded_count: 10 });
    expect(contendersOf([snapshot(null, 0)])).toEqual([]);
    expect(contendersOf([snapshot(1, 10), voided])).toEqual([]);
  });
  test("a correction in the same period replaces what it corrects", () => {
    const corrected = snapshot(2, 12, { superseded_value: 1, superseded_count: 10 });
    expect(contendersOf([snapshot(1, 10), corrected])).toMatchObject([{ value: 2, predictionCount: 12 }]);
  });
  test("a correction of an earlier period brings only what is new", () => {
    const late = snapshot(2, 12, { superseded_value: 1, superseded_count: 10 }); // two late scores of 7 on ten of 1
    expect(contendersOf([snapshot(4, 8), late])).toMatchObject([{ value: (4 * 8 + 7 * 2) / 10, predictionCount: 10 }]);
  });
});

test("the table names the shares, and a quiet period as such", () => {
  const row = {
    model_id: "m",
    model_name: "momentum",
    cruncher_id: "c",
    rank: 1,
    value: 0.5,
    prediction_count: 3,
    reward_frac64: 1_000_000_000,
  };
  const meta = { snapshot_count: 1, model_count: 1, recipients: [] };
  expect(emissionTable({ ...meta, ranking: [row] })).toContain("| 1 | momentum | c | 0.5 | 3 | 100.0000 % |");
  expect(emissionTable({ ...meta, snapshot_count: 0, model_count: 0, ranking: [] })).toContain("A quiet period");
});
