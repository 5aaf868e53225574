import { expect, test } from "vitest";
import { type ScoreRow, scoreMatrix } from "./matrix.ts";

const row = (
  modelId: string,
  roundId: string,
  dueMs: number,
  predicted: number | null,
  actual: number | null = 1,
): ScoreRow => ({
  modelId,
  roundId,
  scopeKey: `scope of ${roundId}`,
  dueMs,
  predicted,
  actual,
  value: predicted === null ? null : predicted * 10,
});
const virtual = (id: string): boolean => id.startsWith("__");

test("rows meet by round and model, in order of time, whatever order they come in", () => {
  const rows = [
    row("b", "late", 2_000, 4),
    row("a", "early", 1_000, 1),
    row("__ensemble_x__", "early", 1_000, 3),
    row("b", "early", 1_000, 2),
  ];
  const matrix = scoreMatrix(rows, virtual);
  expect(matrix).toEqual(scoreMatrix(rows.toReversed(), virtual));
  expect(matrix.modelIds).toEqual(["a", "b", "__ensemble_x__"]);
  expect(matrix.roundIds).toEqual(["early", "late"]);
  expect(matrix.scopeKeys).toEqual(["scope of early", "scope of late"]);
  expect([...matrix.predicted]).toEqual([1, Number.NaN, 2, 4, 3, Number.NaN]);
  expect([...matrix.value]).toEqual([10, Number.NaN, 20, 40, 30, Number.NaN]);
  expect([...matrix.actual]).toEqual([1, 1]);
});

test("rounds due at one instant stand in order of their ids", () => {
  expect(scoreMatrix([row("a", "y", 1, 1), row("a", "x", 1, 2)], virtual).roundIds).toEqual(["x", "y"]);
});

test("what is no finite number is absent", () => {
  const matrix = scoreMatrix([row("a", "r", 1, Number.NaN), row("b", "r", 1, Number.POSITIVE_INFINITY)], virtual);
  expect([...matrix.predicted]).toEqual([Number.NaN, Number.NaN]);
});

test("a round of which models were told different outcomes has none, and is named", () => {
  const matrix = scoreMatrix(
    [row("a", "r", 1, 1, 5), row("b", "r", 1, 1, 6), row("a", "s", 2, 1, null), row("b", "s", 2, 1, 7)],
    virtual,
  );
  expect([...matrix.actual]).toEqual([Number.NaN, 7]);
  expect(matrix.contradictory).toEqual(["r"]);
});
