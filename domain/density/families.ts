import { regularizedBeta } from "./beta-function.ts";
import { exp, log, timesLog } from "./elementary.ts";
import { normalCdf } from "./error-function.ts";
import { logBeta, logGammaDensity, regularizedGamma } from "./gamma-function.ts";

/** A distribution of z = (x − loc) / scale as scipy.stats parametrises it; `p` are the shapes in the order of `shapes`. */
export interface Family {
  shapes: readonly string[];
  logPdf(z: number, p: readonly number[]): number;
  cdf(z: number, p: readonly number[]): number;
  /** where the mass lies and how wide it is, roughly: where an integration looks first */
  center(p: readonly number[]): number;
  spread(p: readonly number[]): number;
}

const HALF_LOG_TWO_PI = 0.9189385332046728;
const LOG_PI = 1.1447298858494002;
const NEVER = Number.NEGATIVE_INFINITY;

/** log |T| density of Student's t without its location and scale: −½(ν+1) log(1 + z²/ν) − log(√ν B(½, ν/2)). */
const logStudent = (z: number, df: number): number =>
  -0.5 * (df + 1) * log(1 + (z * z) / df) - 0.5 * log(df) - logBeta(0.5, 0.5 * df);

function studentCdf(z: number, df: number): number {
  const square = z * z;
  const outside = 0.5 * regularizedBeta(0.5 * df, 0.5, df / (df + square), square / (df + square));
  return z < 0 ? outside : 1 - outside;
}

const zero = (): number => 0;
const one = (): number => 1;

/** scipy's names, all of the public density packages. Mirror: challenge/condor/families.py. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  norm: {
    shapes: [],
    logPdf: (z) => -0.5 * z * z - HALF_LOG_TWO_PI,
    cdf: (z) => normalCdf(z),
    center: zero,
    spread: one,
  },
  lognorm: {
    shapes: ["s"],
    logPdf: (z, [s]) => (z > 0 ? -0.5 * square(log(z) / s!) - HALF_LOG_TWO_PI - log(s!) - log(z) : NEVER),
    cdf: (z, [s]) => (z > 0 ? normalCdf(log(z) / s!) : 0),
    center: one,
    spread: ([s]) => Math.min(s!, 1),
  },
  expon: {
    shapes: [],
    logPdf: (z) => (z >= 0 ? -z : NEVER),
    cdf: (z) => (z > 0 ? 1 - exp(-z) : 0),
    center: one,
    spread: one,
  },
  t: {
    shapes: ["df"],
    logPdf: (z, [df]) => logStudent(z, df!),
    cdf: (z, [df]) => studentCdf(z, df!),
    center: zero,
    spread: one,
  },
  weibull_min: {
    shapes: ["c"],
    logPdf: (z, [c]) => logWeibull(z, c!),
    cdf: (z, [c]) => (z > 0 ? 1 - exp(-exp(c! * log(z))) : 0),
    center: one,
    spread: ([c]) => (c! > 1 ? 1 / c! : 1),
  },
  weibull_max: {
    shapes: ["c"],
    logPdf: (z, [c]) => logWeibull(-z, c!),
    cdf: (z, [c]) => (z < 0 ? exp(-exp(c! * log(-z))) : 1),
    center: () => -1,
    spread: ([c]) => (c! > 1 ? 1 / c! : 1),
  },
  gamma: {
    shapes: ["a"],
    logPdf: (z, [a]) => (z >= 0 ? logGammaDensity(a!, z) : NEVER),
    cdf: (z, [a]) => regularizedGamma(a!, z),
    center: ([a]) => a!,
    spread: ([a]) => Math.sqrt(a!),
  },
  beta: {
    shapes: ["a", "b"],
    logPdf: (z, [a, b]) =>
      z >= 0 && z <= 1 ? timesLog(a! - 1, log(z)) + timesLog(b! - 1, log(1 - z)) - logBeta(a!, b!) : NEVER,
    cdf: (z, [a, b]) => regularizedBeta(a!, b!, z, 1 - z),
    center: ([a, b]) => a! / (a! + b!),
    spread: ([a, b]) => Math.sqrt((a! * b!) / (a! + b! + 1)) / (a! + b!),
  },
  chi: {
    shapes: ["df"],
    logPdf: (z, [df]) =>
      z >= 0 ? (z > 0 ? logGammaDensity(0.5 * df!, 0.5 * z * z) + log(z) : atZeroOfChi(df!)) : NEVER,
    cdf: (z, [df]) => (z > 0 ? regularizedGamma(0.5 * df!, 0.5 * z * z) : 0),
    center: ([df]) => Math.sqrt(df!),
    spread: ([df]) => (df! < 1 ? Math.sqrt(df!) : 0.7),
  },
  chi2: {
    shapes: ["df"],
    logPdf: (z, [df]) => (z >= 0 ? logGammaDensity(0.5 * df!, 0.5 * z) - Math.LN2 : NEVER),
    cdf: (z, [df]) => regularizedGamma(0.5 * df!, 0.5 * z),
    center: ([df]) => df!,
    spread: ([df]) => Math.sqrt(2 * df!),
  },
  rayleigh: {
    shapes: [],
    logPdf: (z) => (z >= 0 ? log(z) - 0.5 * z * z : NEVER),
    cdf: (z) => (z > 0 ? 1 - exp(-0.5 * z * z) : 0),
    center: one,
    spread: () => 0.6,
  },
  pareto: {
    shapes: ["b"],
    logPdf: (z, [b]) => (z >= 1 ? log(b!) - (b! + 1) * log(z) : NEVER),
    cdf: (z, [b]) => (z > 1 ? 1 - exp(-b! * log(z)) : 0),
    center: one,
    spread: ([b]) => (b! > 1 ? 1 / b! : 1),
  },
  cauchy: {
    shapes: [],
    logPdf: (z) => -LOG_PI - log(1 + z * z),
    cdf: (z) => studentCdf(z, 1),
    center: zero,
    spread: one,
  },
  laplace: {
    shapes: [],
    logPdf: (z) => -Math.LN2 - Math.abs(z),
    cdf: (z) => (z < 0 ? 0.5 * exp(z) : 1 - 0.5 * exp(-z)),
    center: zero,
    spread: one,
  },
  f: {
    shapes: ["dfn", "dfd"],
    logPdf: (z, [n, d]) => (z >= 0 ? logFisher(z, n!, d!) : NEVER),
    cdf: (z, [n, d]) => (z > 0 ? regularizedBeta(0.5 * n!, 0.5 * d!, (n! * z) / (n! * z + d!), d! / (n! * z + d!)) : 0),
    center: one,
    spread: ([n, d]) => Math.sqrt(2 / n! + 2 / d!),
  },
};

const square = (x: number): number => x * x;

/** log of c z^(c−1) e^(−z^c). */
const logWeibull = (z: number, c: number): number => {
  if (!(z >= 0)) return NEVER;
  const logZ = log(z);
  return log(c) + timesLog(c - 1, logZ) - exp(c * logZ);
};

/** The limit of the chi density at 0: √(2/π) for one degree of freedom, else 0 or infinite. */
const atZeroOfChi = (df: number): number => {
  if (df === 1) return 0.5 * (Math.LN2 - LOG_PI);
  return df > 1 ? NEVER : Number.POSITIVE_INFINITY;
};

const logFisher = (z: number, n: number, d: number): number =>
  0.5 * n * log(n / d) +
  timesLog(0.5 * n - 1, log(z)) -
  0.5 * (n + d) * log(1 + (n * z) / d) -
  logBeta(0.5 * n, 0.5 * d);
