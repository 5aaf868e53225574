import { describe, expect, test } from "vitest";
import { createLimits } from "./limits.ts";

describe("limits", () => {
  test.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
  ])("after %i timeouts in a row the next %i fan-outs are skipped", (timeouts, skips) => {
    const limits = createLimits(10, 10);
    for (let i = 1; i <= timeouts; i++) {
      while (limits.skip()) expect(i).toBeGreaterThan(1);
      limits.timeout();
    }
    let skipped = 0;
    while (limits.skip()) skipped++;
    expect(skipped).toBe(skips);
    expect(limits.coolingDown()).toBe(false);
  });

  test("the tenth real failure reaches the limit, a success begins anew, skips count for nothing", () => {
    const limits = createLimits(10, 10);
    const nine = Array.from({ length: 9 }, () => limits.failure());
    expect(nine).not.toContain(true);
    limits.success();
    expect(Array.from({ length: 10 }, () => limits.failure())).toEqual([...nine, true]);
    const timeouts = createLimits(10, 10);
    for (let real = 1; real <= 9; real++) {
      while (timeouts.skip());
      expect(timeouts.timeout()).toBe(false);
    }
    expect(timeouts.timeout()).toBe(true);
  });

  test("0 never disconnects", () => {
    const limits = createLimits(0, 0);
    expect(Array.from({ length: 100 }, () => limits.failure() || limits.timeout())).not.toContain(true);
  });
});
