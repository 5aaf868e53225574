import { expect, test } from "vitest";
import { createReplayCache } from "./replay-cache.ts";

test("a token is good once while it could be used, then it is forgotten", () => {
  const seen = createReplayCache();
  expect(seen.take("a", 30_000, 0)).toBe(true);
  expect(seen.take("a", 30_000, 30_000), "still young enough to be accepted").toBe(false);
  expect(seen.take("a", 60_001, 30_001)).toBe(true);
  expect(seen.size).toBe(1);
});

test("with an owner it is good for that one only", () => {
  const seen = createReplayCache();
  expect(seen.take("a", 30_000, 0, "one")).toBe(true);
  expect(seen.take("a", 30_000, 1, "one")).toBe(true);
  expect(seen.take("a", 30_000, 1, "two")).toBe(false);
  expect(seen.take("a", 30_000, 1)).toBe(false);
});

test("it never grows above its bound, and a full memory takes nothing that it could not remember", () => {
  const seen = createReplayCache(100);
  for (let i = 0; i < 100; i++) expect(seen.take(`young-${i}`, 30_000, 0)).toBe(true);
  expect(seen.take("one more", 30_000, 0)).toBe(false);
  expect(seen.take("young-7", 30_000, 0), "the old ones are still known").toBe(false);
  for (let i = 0; i < 1000; i++) expect(seen.take(`later-${i}`, 30_002 + i, 30_001 + i)).toBe(true);
  expect(seen.size).toBeLessThanOrEqual(100);
});

test("steady traffic is forgotten on the way", () => {
  const seen = createReplayCache();
  for (let i = 0; i < 20_000; i++) expect(seen.take(String(i), i + 30, i)).toBe(true);
  expect(seen.size).toBeLessThan(100);
});
