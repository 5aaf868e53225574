import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cdf, type Mixture, pdf } from "../density/density.ts";
import { FAMILIES } from "../density/families.ts";
import { crpsGaussianMixture } from "./gaussian.ts";
import { thresholdCrps } from "./threshold.ts";

const leaf = (family: string, shapes: number[], loc = 0, scale = 1, weight = 1): Mixture[number] => ({
  family,
  shapes,
  loc,
  scale,
  weight,
});
const norm = (loc: number, scale: number): Mixture => [leaf("norm", [], loc, scale)];

describe("threshold-weighted CRPS", () => {
  test("with bounds far away it is the closed form of Gaussian mixtures, for any widths", () => {
    const term = fc.record({
      mu: fc.double({ min: -1, max: 1, noNaN: true }),
      width: fc.double({ min: -5, max: 0, noNaN: true }),
      share: fc.double({ min: 0.05, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(term, { minLength: 1, maxLength: 3 }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        (terms, y) => {
          const total = terms.reduce((sum, t) => sum + t.share, 0);
          const mixture = terms.map((t) => leaf("norm", [], t.mu, 10 ** t.width, t.share / total));
          const closed = crpsGaussianMixture(
            mixture.map((l) => ({ weight: l.weight, mu: l.loc, sigma: l.scale })),
            y,
          );
          expect(Math.abs(thresholdCrps(mixture, y, 50) - closed)).toBeLessThanOrEqual(1e-8 * closed + 1e-13);
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each(Object.keys(FAMILIES))("%s is integrated as finely as a hundred thousand rectangles", (name) => {
    const mixture = [
      leaf(
        name,
        FAMILIES[name]!.shapes.map((_, i) => 2.5 + i),
        0.1,
        0.4,
      ),
    ];
    const [bound, y, points] = [3, 0.6, 100_000];
    const width = (2 * bound) / points;
    let sum = 0;
    for (let i = 0; i < points; i++) {
      const x = -bound + (i + 0.5) * width;
      sum += (cdf(mixture, x) - (x >= y ? 1 : 0)) ** 2 * width;
    }
    expect(thresholdCrps(mixture, y, bound)).toBeCloseTo(sum, 7);
  });

  test("no forecast, however absurd, costs more than twice the bound or is free", () => {
    for (const mixture of [
      norm(1e6, 1e-9),
      norm(0.02, 1e-12),
      norm(0, 1e9),
      [leaf("cauchy", [], 0, 1e-3)],
      [leaf("gamma", [0.01], 0, 1e-3)],
      [leaf("lognorm", [5], -0.01, 1e-4)],
      [leaf("beta", [9_000, 9_000], 0, 0.01)],
      [leaf("t", [0.5], 0, 1e-4)],
    ]) {
      const score = thresholdCrps(mixture, -0.01, 0.03);
      expect(score).toBeGreaterThan(1e-6);
      expect(score).toBeLessThanOrEqual(0.06 + 1e-12);
    }
  });

  test("an outcome outside the bounds counts as one on the bound", () => {
    expect(thresholdCrps(norm(0, 0.01), 5, 0.03)).toBe(thresholdCrps(norm(0, 0.01), 0.03, 0.03));
  });

  test("it is proper: on outcomes of N(0, 1) nobody does better than N(0, 1), also when the bound cuts its tails", () => {
    const outcomes = Array.from({ length: 401 }, (_, i) => -5 + i * 0.025);
    const expected = (mixture: Mixture): number =>
      outcomes.reduce((sum, y) => sum + pdf(norm(0, 1), y) * thresholdCrps(mixture, y, 2), 0);
    const truth = expected(norm(0, 1));
    for (const other of [norm(0, 0.8), norm(0, 1.25), norm(0.2, 1), [leaf("t", [4])], [leaf("laplace", [])]])
      expect(expected(other)).toBeGreaterThan(truth);
  });
});
