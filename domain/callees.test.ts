import { expect, test } from "vitest";
import { calleesOf } from "./callees.ts";

const board = [
  { modelId: "a", rank: 1 },
  { modelId: "b", rank: 2 },
  { modelId: "c", rank: 2 },
  { modelId: "d", rank: 4 },
];
const top = (n: number, everybodyEach = 3) => ({ kind: "top", n, everybodyEach }) as const;

test("everybody is called without a rule, by the rule, and while there is no board", () => {
  expect(calleesOf(undefined, 1, board)).toBeNull();
  expect(calleesOf({ kind: "all" }, 1, board)).toBeNull();
  expect(calleesOf(top(1), 1, null)).toBeNull();
  expect(calleesOf(top(1), 1, [])).toBeNull();
});

test("top n: the best, those who share the last place with them, and everybody each k-th round", () => {
  expect(calleesOf(top(1), 1, board)).toEqual(["a"]);
  expect(calleesOf(top(2), 2, board)).toEqual(["a", "b", "c"]);
  expect(calleesOf(top(9), 4, board)).toEqual(["a", "b", "c", "d"]);
  const everybody = [0, 1, 2, 3, 4, 5, 6].map((number) => calleesOf(top(1), number, board) === null);
  expect(everybody).toEqual([true, false, false, true, false, false, true]);
});

test("a list calls its models once each, and an empty one nobody", () => {
  expect(calleesOf({ kind: "list", models: ["x", "y", "x"] }, 0, board)).toEqual(["x", "y"]);
  expect(calleesOf({ kind: "list", models: [] }, 0, board)).toEqual([]);
});
