import { exp, log, timesLog } from "./elementary.ts";
import { away, logBeta } from "./gamma-function.ts";

const MAX_STEPS = 20_000;
const PRECISION = 4e-16;

/**
 * I_x(a, b), the regularised incomplete beta function (continued fraction, A&S 26.5.8, by Lentz's method).
 * y is 1 − x, given beside it because it may be known more precisely. Mirror: challenge/condor/special.py.
 */
export function regularizedBeta(a: number, b: number, x: number, y: number): number {
  if (!(x > 0)) return 0;
  if (!(y > 0)) return 1;
  const front = exp(timesLog(a, log(x)) + timesLog(b, log(y)) - logBeta(a, b));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(a, b, x)) / a : 1 - (front * betaFraction(b, a, y)) / b;
}

function betaFraction(a: number, b: number, x: number): number {
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < MAX_STEPS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction = fraction * (d * c);
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const step = d * c;
    fraction = fraction * step;
    if (Math.abs(step - 1) < PRECISION) break;
  }
  return fraction;
}
