import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExactSum } from "./exact-sum.ts";

const sumOf = (values: readonly number[]): number => {
  const sum = new ExactSum();
  for (const value of values) sum.add(value);
  return sum.value();
};

/** Doubles are whole numbers of 2^-1074. */
const UNIT = 1074n;
function unitsOf(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = (word >> 52n) & 0x7ffn;
  const fraction = (word & ((1n << 52n) - 1n)) | (exponent > 0n ? 1n << 52n : 0n);
  const size = fraction << (exponent > 0n ? exponent - 1n : 0n);
  return word >> 63n ? -size : size;
}
/** Nearest double, half to even: what Number() of a big whole number does. Only for sums that are whole numbers of 2^-20. */
const nearest = (units: bigint): number => Number(units >> (UNIT - 20n)) / 2 ** 20;

describe("an exact sum", () => {
  test.each([
    [[], 0],
    [[-0], 0],
    [[0.1, 0.2, 0.3, -0.6], 2.7755575615628914e-17],
    [[1e100, 1, -1e100], 1],
    [[1e16, 1, 1e-16], 10000000000000002],
    [[1e16 - 2, 1 - 2 ** -53, -(1e16 - 2), -(1 - 2 ** -53)], 0],
    [[2 ** 53, 0.5, -(2 ** -54)], 2 ** 53],
    [[2 ** 53, 1, 2 ** -100], 2 ** 53 + 2],
    [[1e308, 1e308, -1e308], Number.NaN],
    [[Number.NaN, 1], Number.NaN],
  ])("of %j is %d", (values, expected) => expect(sumOf(values)).toBe(expected));

  const anyDouble = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e150, max: 1e150 });
  test("does not depend on the order", () => {
    fc.assert(
      fc.property(fc.array(anyDouble, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (values, keys) => {
        const shuffled = values.map((value) => ({ value, key: keys.next().value! })).sort((a, b) => a.key - b.key);
        expect(sumOf(shuffled.map((s) => s.value))).toBe(sumOf(values));
      }),
    );
  });
  test("forgets what is taken out again", () => {
    fc.assert(
      fc.property(fc.array(anyDouble, { maxLength: 20 }), fc.array(anyDouble, { maxLength: 20 }), (own, others) => {
        expect(sumOf([...others, ...own, ...others.map((x) => -x)])).toBe(sumOf(own));
      }),
    );
  });
  test("is the nearest double", () => {
    const grid = fc.tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.integer({ min: -20, max: 60 }));
    fc.assert(
      fc.property(fc.array(grid, { maxLength: 30 }), (pairs) => {
        const values = pairs.map(([mantissa, exponent]) => mantissa * 2 ** exponent);
        expect(sumOf(values) + 0).toBe(nearest(values.reduce((sum, value) => sum + unitsOf(value), 0n)) + 0);
      }),
      { numRuns: 500 },
    );
  });
});
