import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { periodAt, periodEnding, periodsBetween } from "./period.ts";

const WEEK = 604_800_000;
const anchorMs = Date.parse("2026-01-05T00:00:00Z");
const clock = { anchorMs, intervalMs: WEEK };

describe("periods", () => {
  test("are half-open: a boundary belongs to the one that begins there", () => {
    expect(periodAt(clock, anchorMs)).toEqual({ startMs: anchorMs, endMs: anchorMs + WEEK });
    expect(periodAt(clock, anchorMs - 1)).toEqual({ startMs: anchorMs - WEEK, endMs: anchorMs });
  });
  test("the last one that has ended", () => {
    expect(periodEnding(clock, anchorMs + WEEK)).toEqual({ startMs: anchorMs, endMs: anchorMs + WEEK });
    expect(periodEnding(clock, anchorMs + WEEK - 1)).toEqual({ startMs: anchorMs - WEEK, endMs: anchorMs });
  });
  test("three weeks of downtime are three periods, oldest first, as many as are wanted", () => {
    const missed = periodsBetween(clock, anchorMs, anchorMs + 3 * WEEK + 5);
    expect(missed.map((p) => p.startMs)).toEqual([anchorMs, anchorMs + WEEK, anchorMs + 2 * WEEK]);
    expect(periodsBetween(clock, anchorMs, anchorMs + 3 * WEEK, 2)).toHaveLength(2);
    expect(periodsBetween(clock, anchorMs, anchorMs + WEEK - 1)).toEqual([]);
  });
  test("a change of the interval leaves neither gap nor overlap", () => {
    const daily = { anchorMs, intervalMs: WEEK / 7 };
    expect(periodsBetween(clock, anchorMs + 3 * daily.intervalMs, anchorMs + 2 * WEEK)).toEqual([
      { startMs: anchorMs + 3 * daily.intervalMs, endMs: anchorMs + WEEK },
      { startMs: anchorMs + WEEK, endMs: anchorMs + 2 * WEEK },
    ]);
  });
  test("tile the time for any clock", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e12, max: 1e12 }),
        fc.integer({ min: 1_000, max: WEEK }),
        fc.integer({ min: 0, max: 1e12 }),
        (anchor, intervalMs, fromMs) => {
          const own = { anchorMs: anchor, intervalMs };
          const periods = periodsBetween(own, fromMs, fromMs + 5 * intervalMs);
          expect(periods[0]!.startMs).toBe(fromMs);
          for (const [i, p] of periods.entries()) {
            expect(p.endMs).toBeGreaterThan(p.startMs);
            expect((p.endMs - anchor) % intervalMs === 0).toBe(true);
            if (i > 0) expect(p.startMs).toBe(periods[i - 1]!.endMs);
          }
        },
      ),
    );
  });
});
