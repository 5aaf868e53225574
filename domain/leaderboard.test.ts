import { expect, test } from "vitest";
import { rank, type Standing } from "./leaderboard.ts";

const standing = (modelId: string, value: number | null, newcomer = false): Standing => ({
  modelId,
  newcomer,
  predictionCount: 1,
  metrics: { ic: value ?? 0 },
  windows: { recent: { hours: 24, value, coveredHours: 1, partial: true } },
});
const ranks = (rows: Standing[], direction: "asc" | "desc" = "desc", key = "recent") =>
  rank(rows, { key, direction }).map((r) => [r.modelId, r.rank]);

test.each([
  [
    "larger first",
    [standing("a", 1), standing("b", 2)],
    "desc",
    [
      ["b", 1],
      ["a", 2],
    ],
  ],
  [
    "smaller first where the contract says asc",
    [standing("a", 1), standing("b", 2)],
    "asc",
    [
      ["a", 1],
      ["b", 2],
    ],
  ],
  [
    "ties share a rank and the next one counts them",
    [standing("c", 1), standing("b", 2), standing("a", 2)],
    "desc",
    [
      ["a", 1],
      ["b", 1],
      ["c", 3],
    ],
  ],
  [
    "a silent model is last in either direction",
    [standing("silent", null), standing("a", 5)],
    "asc",
    [
      ["a", 1],
      ["silent", 2],
    ],
  ],
  [
    "a newcomer ranks after those that were there",
    [standing("new", 9, true), standing("old", 1)],
    "desc",
    [
      ["old", 1],
      ["new", 2],
    ],
  ],
  [
    "a newcomer never ties with an old one",
    [standing("new", 1, true), standing("old", 1)],
    "desc",
    [
      ["old", 1],
      ["new", 2],
    ],
  ],
] as const)("%s", (_name, rows, direction, expected) => {
  expect(ranks([...rows], direction)).toEqual(expected);
});

test("a metric can be the ranking key; the order of the input never matters", () => {
  const rows = [standing("a", 0.1), standing("b", 0.3), standing("c", 0.2)];
  expect(ranks(rows, "desc", "ic")).toEqual([
    ["b", 1],
    ["c", 2],
    ["a", 3],
  ]);
  expect(ranks(rows.toReversed(), "desc", "ic")).toEqual(ranks(rows, "desc", "ic"));
});
