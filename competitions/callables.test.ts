import { describe, expect, test } from "vitest";
import { namedCallables, parseReference } from "./callables.ts";

describe("a reference", () => {
  test.each([
    ["scorers/mine.ts:score", { language: "typescript", file: "scorers/mine.ts", name: "score" }],
    ["scorers/mine.ts", { language: "typescript", file: "scorers/mine.ts", name: "default" }],
    ["./mine.mjs:$score", { language: "typescript", file: "./mine.mjs", name: "$score" }],
    ["scoring:score", { language: "python", module: "scoring", name: "score" }],
    ["tracker.scoring:Judge.score", { language: "python", module: "tracker.scoring", name: "Judge.score" }],
    [
      "/srv/rules/scoring.py:score",
      { language: "python", module: "scoring", name: "score", file: "/srv/rules/scoring.py" },
    ],
    ["score", null],
    ["scoring.py", null],
    ["my-module:score", null],
    ["scoring:score()", null],
    ["", null],
  ])("%s", (text, reference) => expect(parseReference(text)).toEqual(reference));
});

test("the environment wins over the contract, an empty setting says nothing, a function is not named", () => {
  const contract = { score: "scoring:score", buildInput: () => 1, resolveTruth: "truth.ts" };
  expect(
    namedCallables(contract, {
      SCORING_FUNCTION: "other:score",
      GROUND_TRUTH_RESOLVER: "",
      LEADERBOARD_RANKER: "rank.ts",
    }),
  ).toEqual([
    { field: "score", where: "SCORING_FUNCTION", text: "other:score" },
    { field: "resolveTruth", where: "resolveTruth", text: "truth.ts" },
    { field: "rankModels", where: "LEADERBOARD_RANKER", text: "rank.ts" },
  ]);
});
