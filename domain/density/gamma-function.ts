import { exp, log, log1p, timesLog } from "./elementary.ts";

/** Gamma functions by Stirling's series (A&S 6.1.41) and the regularised incomplete gamma function (A&S 6.5). Mirror: challenge/condor/special.py. */
const HALF_LOG_TWO_PI = 0.9189385332046728;
/** B₂ₖ / (2k(2k−1)), k = 7 down to 1; from x = 10 on the next term is below 1e-16. */
const STIRLING = [1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12] as const;
const LARGE = 10;
const MAX_STEPS = 20_000;
const PRECISION = 4e-16;
const TINY = 1e-300;

/** log Γ(x) − ((x−½) log x − x + ½ log 2π) for x ≥ 10. */
function stirlingError(x: number): number {
  const z = 1 / (x * x);
  let sum = STIRLING[0] as number;
  for (let i = 1; i < STIRLING.length; i++) sum = sum * z + STIRLING[i]!;
  return sum / x;
}

/** log Γ(x), x > 0. */
export function logGamma(x: number): number {
  let shifted = x;
  let product = 1;
  while (shifted < LARGE) {
    product = product * shifted;
    shifted = shifted + 1;
  }
  const value = (shifted - 0.5) * log(shifted) - shifted + HALF_LOG_TWO_PI + stirlingError(shifted);
  return x < LARGE ? value - log(product) : value;
}

/** log B(a, b); for large arguments without the cancellation of three log Γ. */
export function logBeta(a: number, b: number): number {
  const p = Math.min(a, b);
  const q = Math.max(a, b);
  if (q < LARGE) return logGamma(p) + logGamma(q) - logGamma(p + q);
  const share = p / (p + q);
  const correction = stirlingError(q) - stirlingError(p + q);
  if (p < LARGE) return logGamma(p) + correction + p - p * log(p + q) + (q - 0.5) * log1p(-share);
  return HALF_LOG_TWO_PI - 0.5 * log(q) + (stirlingError(p) + correction) + (p - 0.5) * log(share) + q * log1p(-share);
}

/** Log density of the gamma distribution of shape a and scale 1 at x ≥ 0. */
export function logGammaDensity(a: number, x: number): number {
  if (a < LARGE || x <= 0) return timesLog(a - 1, log(x)) - x - logGamma(a);
  const u = (x - a) / a;
  return a * (log1p(u) - u) - log(x) + 0.5 * log(a) - HALF_LOG_TWO_PI - stirlingError(a);
}

/** P(a, x), the regularised lower incomplete gamma function: the gamma distribution's cdf. */
export function regularizedGamma(a: number, x: number): number {
  if (!(x > 0)) return 0;
  if (x === Number.POSITIVE_INFINITY) return 1;
  const front = exp(logGammaDensity(a + 1, x));
  return x < a + 1 ? front * gammaSeries(a, x) : 1 - front * a * gammaFraction(a, x);
}

/** 1 + x/(a+1) + x²/((a+1)(a+2)) + … */
function gammaSeries(a: number, x: number): number {
  let term = 1;
  let sum = 1;
  for (let n = 1; n < MAX_STEPS && term > sum * PRECISION; n++) {
    term = (term * x) / (a + n);
    sum = sum + term;
  }
  return sum;
}

/** 1/(x+1−a− 1(1−a)/(x+3−a− …)) by Lentz's method. */
function gammaFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < MAX_STEPS; n++) {
    const an = -n * (n - a);
    b = b + 2;
    d = away(an * d + b);
    c = away(b + an / c);
    d = 1 / d;
    const step = d * c;
    fraction = fraction * step;
    if (Math.abs(step - 1) < PRECISION) break;
  }
  return fraction;
}

/** Lentz's guard: a denominator of 0 becomes a tiny one. */
export const away = (x: number): number => (Math.abs(x) < TINY ? TINY : x);
