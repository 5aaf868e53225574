import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { granularityMs } from "./granularity.ts";
import { dueNumber, dueTimes, lastDue, spreadPhases } from "./schedule.ts";

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

describe("phases", () => {
  const scopeList = fc.array(
    fc.record({
      subject: fc.constantFrom("BTC", "ETH", "SOL"),
      everyMs: fc.constantFrom(1_000, 15_000, 60_000, 3_600_000),
      named: fc.option(fc.integer({ min: 0, max: 999 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 40 },
  );
  const scopesOf = (list: { subject: string; everyMs: number; named: number | undefined }[]) =>
    list.map(({ subject, everyMs, named }, i) => ({
      scopeKey: `s${i}`,
      scope: { subject },
      everyMs,
      ...(named === undefined ? {} : { phaseMs: named }),
    }));

  test("are a function of the list, spread evenly over each interval, and the contract's own are kept", () => {
    fc.assert(
      fc.property(scopeList, (list) => {
        const scopes = scopesOf(list);
        const spread = spreadPhases(scopes);
        expect(spreadPhases(structuredClone(scopes))).toEqual(spread);
        expect(spread.map((s) => s.scopeKey)).toEqual(scopes.map((s) => s.scopeKey));
        scopes.forEach((s, i) => {
          if (s.phaseMs !== undefined) expect(spread[i]!.phaseMs).toBe(s.phaseMs);
        });
        const free = spread.filter((_, i) => scopes[i]!.phaseMs === undefined);
        for (const [everyMs, group] of Map.groupBy(free, (s) => s.everyMs)) {
          const phases = group.map((s) => s.phaseMs).sort((a, b) => a - b);
          const gaps = phases.map((p, i) => (phases[i + 1] ?? phases[0]! + everyMs) - p);
          expect(phases[0]).toBe(0);
          expect(new Set(phases).size).toBe(group.length);
          expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1_000);
        }
      }),
    );
  });

  test("rounds are due at the same instants before and after any restart", () => {
    fc.assert(
      fc.property(scopeList, fc.integer({ min: 0, max: 10_000_000 }), (list, restart) => {
        const [before, after] = [spreadPhases(scopesOf(list)), spreadPhases(scopesOf(list))];
        const [fromMs, untilMs] = [restart - 300_000, restart + 600_000];
        before.forEach((scope, i) => {
          const through = dueTimes(scope, fromMs, untilMs);
          const resumed = [...dueTimes(scope, fromMs, restart), ...dueTimes(after[i]!, restart, untilMs)];
          expect(resumed).toEqual(through);
          expect(through.map((dueMs) => dueNumber(scope, dueMs))).toEqual(
            through.map((_, n) => dueNumber(scope, through[0]!) + n),
          );
        });
      }),
      { numRuns: 50 },
    );
  });

  test("subjects take turns", () => {
    const scopes = ["BTC-1", "BTC-2", "ETH-1", "ETH-2"].map((scopeKey) => ({
      scopeKey,
      scope: { subject: scopeKey.slice(0, 3) },
      everyMs: 60_000,
    }));
    const byPhase = spreadPhases(scopes).sort((a, b) => a.phaseMs - b.phaseMs);
    expect(byPhase.map((s) => [s.scopeKey, s.phaseMs])).toEqual([
      ["BTC-1", 0],
      ["ETH-1", 15_000],
      ["BTC-2", 30_000],
      ["ETH-2", 45_000],
    ]);
  });
});
