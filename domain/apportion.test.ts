import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apportion } from "./apportion.ts";

describe("apportioning", () => {
  test("is exact, and within one unit of the true share", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 18n }),
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 50 }),
        (total, weights) => {
          const sum = weights.reduce((a, b) => a + b, 0n);
          const given = apportion(total, weights);
          expect(given.reduce((a, b) => a + b, 0n)).toBe(sum === 0n ? 0n : total);
          if (sum > 0n)
            for (const [i, g] of given.entries()) expect([0n, 1n]).toContain(g - (weights[i]! * total) / sum);
        },
      ),
    );
  });
  test("gives odd units to the largest remainders, ties to the earlier", () => {
    expect(apportion(100n, [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
    expect(apportion(10n, [1n, 5n, 5n])).toEqual([1n, 5n, 4n]);
    expect(() => apportion(1n, [-1n])).toThrow("negative");
  });
});
