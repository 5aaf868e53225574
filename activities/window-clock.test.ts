import { expect, test } from "vitest";
import { windowEnd } from "./window-clock.ts";

const clock = { intervalMs: 10, periodMs: 100, anchorMs: 0 };

test.each([
  ["the next step of the grid", 20, 1_000, 25, 30],
  ["a start beside the grid comes back to it", 23, 1_000, 25, 30],
  ["a quiet stretch is one window, up to the next resolve time", 20, 1_000, 57, 50],
  ["never across the end of a period", 20, 1_000, 570, 100],
  ["nothing known ahead: up to now, on the grid", 20, 65, null, 60],
  ["a window that has not ended yet ends after now", 60, 65, 61, 70],
])("%s", (_name, startMs, nowMs, nextResolveMs, expected) => {
  expect(windowEnd(clock, startMs, nowMs, nextResolveMs)).toBe(expected);
});

test("windows tile time and end on every period's end, whatever resolves", () => {
  const ends: number[] = [];
  for (let at = 0; at < 1_000; at = ends.at(-1)!) ends.push(windowEnd(clock, at, 5_000, at < 300 ? at + 5 : null));
  expect(ends).toEqual([...ends].sort((a, b) => a - b));
  for (let end = 100; end <= 1_000; end += 100) expect(ends).toContain(end);
});
