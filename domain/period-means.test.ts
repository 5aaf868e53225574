import { describe, expect, test } from "vitest";
import { type CountedSnapshot, PeriodMeans } from "./period-means.ts";

const snapshot = (
  result_summary: Record<string, unknown>,
  prediction_count: number,
  superseded: CountedSnapshot["superseded"] = null,
  of_earlier_period = false,
): CountedSnapshot => ({
  ...{ model_id: "m", model_name: "momentum", cruncher_id: "c", cruncher_name: "anna" },
  ...{ result_summary, prediction_count, superseded, of_earlier_period },
});
const contenders = (snapshots: readonly CountedSnapshot[], field = "value") => {
  const means = new PeriodMeans();
  for (const each of snapshots) means.add(each);
  return means.contenders(field);
};
const replaced = (prediction_count: number, result_summary: Record<string, unknown>) => ({
  ...{ prediction_count, result_summary },
});

describe("what a model did in a period", () => {
  test("is the mean of its snapshots, weighted by predictions", () => {
    expect(contenders([snapshot({ value: 1, ic: 0.5 }, 10), snapshot({ value: 4, ic: 0.2 }, 5)])).toEqual([
      {
        ...{ modelId: "m", modelName: "momentum", cruncherId: "c", cruncherName: "anna" },
        ...{ value: 2, predictionCount: 15, snapshotCount: 2, summary: { ic: 6 / 15, value: 2 } },
      },
    ]);
  });
  test("a snapshot without the field counts for nothing, and texts, booleans and NaN are no numbers", () => {
    const rows = [snapshot({ value: 3, note: "x" }, 2), snapshot({ value: null, ok: true, bad: Number.NaN }, 50)];
    expect(contenders(rows)).toMatchObject([{ value: 3, predictionCount: 2, snapshotCount: 2, summary: { value: 3 } }]);
    expect(Object.keys(contenders(rows)[0]!.summary)).toEqual(["value"]);
  });
  test("may be any field that a snapshot has", () => {
    expect(contenders([snapshot({ value: 3, ic: 0.25 }, 2), snapshot({ value: 1 }, 2)], "ic")).toMatchObject([
      { value: 0.25, predictionCount: 2 },
    ]);
    expect(contenders([snapshot({ value: 3 }, 2)], "score_recent")).toEqual([]);
  });
  test("a model without anything that counts is no contender: its mean would be no number", () => {
    expect(contenders([snapshot({}, 0)])).toEqual([]);
    expect(contenders([snapshot({ value: 1 }, 10), snapshot({}, 0, replaced(10, { value: 1 }))])).toEqual([]);
  });
  test("a correction in the same period replaces what it corrects", () => {
    const rows = [snapshot({ value: 1 }, 10), snapshot({ value: 2 }, 12, replaced(10, { value: 1 }))];
    expect(contenders(rows)).toMatchObject([{ value: 2, predictionCount: 12 }]);
  });
  test("a correction of an earlier period brings only what is new", () => {
    const late = snapshot({ value: 2 }, 12, replaced(10, { value: 1 }), true); // two late scores of 7 on ten of 1
    expect(contenders([snapshot({ value: 4 }, 8), late])).toMatchObject([
      { value: (4 * 8 + 7 * 2) / 10, predictionCount: 10 },
    ]);
  });
  test("a correction of an earlier period that holds no more than it replaces pays nothing again and takes nothing back", () => {
    const own = snapshot({ value: 4 }, 8);
    for (const later of [
      snapshot({ value: 500 }, 10, replaced(10, { value: 1 }), true), // scored again
      snapshot({ value: 1 }, 3, replaced(10, { value: -100 }), true), // seven voided
      snapshot({}, 0, replaced(10, { value: -100 }), true),
    ])
      expect(contenders([own, later])).toMatchObject([{ value: 4, predictionCount: 8, summary: { value: 4 } }]);
  });
  test("each field of a correction counts by the predictions behind it", () => {
    const late = snapshot({ value: 2, ic: 0.5 }, 12, replaced(12, { value: 1 }), true); // ic had no number before
    expect(contenders([snapshot({ value: 4, ic: 0.1 }, 8), late], "ic")).toMatchObject([
      { value: (0.1 * 8 + 0.5 * 12) / 20, predictionCount: 20, summary: { value: 4 } },
    ]);
  });
  test("what is taken out leaves no trace: equal models stay equal", () => {
    const rows = [snapshot({ value: 0.1 }, 3), snapshot({ value: 0.7 }, 3), snapshot({ value: 0.2 }, 3)];
    const detour = [snapshot({ value: 1e9 }, 7), snapshot({ value: 0.3 }, 1, replaced(7, { value: 1e9 }))];
    const back = snapshot({}, 0, replaced(1, { value: 0.3 }));
    const [plain] = contenders(rows);
    expect(contenders([...detour, ...rows, back])[0]!.value).toBe(plain!.value);
    expect(contenders(rows.toReversed())[0]!.value).toBe(plain!.value);
  });
  test("names that objects inherit are names like others", () => {
    const rows = [snapshot(JSON.parse('{"constructor": 2, "__proto__": 3}'), 1)];
    expect(contenders(rows, "constructor")).toMatchObject([{ value: 2 }]);
    expect(contenders(rows, "toString")).toEqual([]);
  });
  test("models come by id, whatever the order of their snapshots", () => {
    const of = (model_id: string) => ({ ...snapshot({ value: 1 }, 1), model_id });
    expect(contenders([of("b"), of("a"), of("10"), of("9")]).map((c) => c.modelId)).toEqual(["10", "9", "a", "b"]);
  });
});
