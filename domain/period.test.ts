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
  test("tile the time whatever the clock is changed to in between, and however long nobody looks", () => {
    const step = fc.record({
      anchorMs: fc.integer({ min: -1e12, max: 2e12 }),
      intervalMs: fc.integer({ min: 1_000, max: 2 * WEEK }),
      /** until somebody looks, in intervals */
      passes: fc.double({ min: 0, max: 6, noNaN: true }),
      most: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 0, max: 1e12 }),
        (steps, began) => {
          let nowMs = began;
          let sealedUntil = periodAt(steps[0]!, began).startMs;
          for (const { passes, most, ...own } of steps) {
            nowMs += Math.floor(passes * own.intervalMs);
            const due = periodsBetween(own, sealedUntil, nowMs, most);
            for (const { startMs, endMs } of due) {
              expect(startMs).toBe(sealedUntil); // no gap, no overlap
              expect(endMs).toBe(periodAt(own, startMs).endMs);
              expect(endMs - startMs).toBeGreaterThan(0);
              expect(endMs - startMs).toBeLessThanOrEqual(own.intervalMs);
              expect(endMs).toBeLessThanOrEqual(nowMs);
              sealedUntil = endMs;
            }
            // Whatever has ended on this grid is there, unless there was too much for one look.
            if (due.length < most) expect(periodAt(own, sealedUntil).endMs).toBeGreaterThan(nowMs);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
