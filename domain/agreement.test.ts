import fc from "fast-check";
import { expect, test } from "vitest";
import { agreedReturn } from "./agreement.ts";

const quote = (source: string, entry: number, exit = entry) => ({ source, entry, exit });

test("of three, the middle one; of two, the mean", () => {
  expect(agreedReturn([quote("a", 100), quote("b", 101), quote("c", 100.5)], 3, 0.01)).toEqual({
    ...{ entry: 100.5, exit: 100.5, outliers: [] },
  });
  expect(agreedReturn([quote("a", 100, 200), quote("b", 102, 202)], 2, 0.05)).toEqual({
    ...{ entry: 101, exit: 201, outliers: [] },
  });
});

test("a source that is off at one instant is left out of both", () => {
  const three = [quote("a", 100, 110), quote("b", 100.2, 55), quote("c", 100.4, 110.2)];
  expect(agreedReturn(three, 3, 0.01)).toEqual({ entry: 100.2, exit: 110.1, outliers: ["b"] });
});

test("two that disagree are not believed, nor is half of those that were asked", () => {
  expect(agreedReturn([quote("a", 100), quote("b", 110)], 2, 0.005)).toEqual({
    disagreement: "a 100 and 100; b 110 and 110",
  });
  expect(agreedReturn([quote("a", 100), quote("b", 100)], 4, 0.005)).toHaveProperty("disagreement");
  expect(agreedReturn([], 1, 0.005)).toHaveProperty("disagreement");
});

test("the order of the sources never matters, and one liar of three never moves the price out of what the others say", () => {
  const price = fc.double({ min: 99.9, max: 100.1, noNaN: true });
  fc.assert(
    fc.property(price, price, fc.double({ min: 0.01, max: 1e6, noNaN: true }), (a, b, lie) => {
      const quotes = [quote("a", a), quote("b", b), quote("liar", lie)];
      const agreed = agreedReturn(quotes, 3, 0.005);
      expect(agreedReturn(quotes.toReversed(), 3, 0.005)).toMatchObject({ entry: (agreed as { entry: number }).entry });
      expect((agreed as { entry: number }).entry).toBeGreaterThanOrEqual(Math.min(a, b) - 1e-9);
      expect((agreed as { entry: number }).entry).toBeLessThanOrEqual(Math.max(a, b) + 1e-9);
    }),
  );
});
