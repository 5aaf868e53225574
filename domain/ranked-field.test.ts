import { expect, test } from "vitest";
import { rankedField } from "./ranked-field.ts";

test.each([
  ["score_recent", "value"],
  ["overall", "value"],
  ["ic", "ic"],
])("%s on the leaderboard is %s in a snapshot", (key, field) =>
  expect(rankedField({ ranking: { key }, windows: [{ name: "score_recent" }] })).toBe(field),
);
