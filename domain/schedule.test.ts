import fc from "fast-check";
import { expect, test } from "vitest";
import { granularityMs } from "./granularity.ts";
import { dueTimes, lastDue } from "./schedule.ts";

test("due times are the same whenever they are asked for, and tile time", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 0, max: 9_999 }),
      fc.integer({ min: 0, max: 100_000 }),
      fc.integer({ min: 0, max: 50_000 }),
      (everyMs, phaseMs, from, span) => {
        const cadence = { everyMs, phaseMs };
        const middle = from + Math.floor(span / 2);
        const whole = dueTimes(cadence, from, from + span);
        expect([...dueTimes(cadence, from, middle), ...dueTimes(cadence, middle, from + span)]).toEqual(whole);
        expect(whole.every((t) => (t - phaseMs) % everyMs === 0 && t > from && t <= from + span)).toBe(true);
      },
    ),
  );
});

test("the last due time is at or before now", () => {
  expect(lastDue({ everyMs: 5_000 }, 12_345)).toBe(10_000);
  expect(lastDue({ everyMs: 5_000 }, 10_000)).toBe(10_000);
  expect(lastDue({ everyMs: 5_000, phaseMs: 1_000 }, 10_000)).toBe(6_000);
});

test.each([
  ["15s", 15_000],
  ["1m", 60_000],
  ["200ms", 200],
  ["1h", 3_600_000],
  ["1d", 86_400_000],
])("granularity %s", (text, ms) => {
  expect(granularityMs(text)).toBe(ms);
});
test.each(["", "s", "0s", "1.5s", "-1s", "1w"])("granularity %j is refused with an example", (text) => {
  expect(() => granularityMs(text)).toThrow("such as 15s");
});
