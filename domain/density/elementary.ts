/**
 * exp, log and powers from + − × ÷ and exact scaling only. The libraries' own differ in the last bit between platforms and
 * languages; these give the same double everywhere, so that a participant's Python finds the node's score to the last digit.
 * The mirror is competitions/condor/challenge/condor/elementary.py: change both, in the same order of operations.
 */
const bits = new DataView(new ArrayBuffer(8));

/** ln 2 in two parts, the first with zeros at its end, so that whole multiples of it are exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const EXP_OVERFLOW = 709.782712893384;
const EXP_UNDERFLOW = -745.1332191019411;
const TWO_POW_54 = 18014398509481984;

/** 1/n! from n = 13 down to 0: on |r| ≤ ln 2 / 2 the next term is below 1e-17. */
const EXP_TERMS = [
  1 / 6227020800,
  1 / 479001600,
  1 / 39916800,
  1 / 3628800,
  1 / 362880,
  1 / 40320,
  1 / 5040,
  1 / 720,
  1 / 120,
  1 / 24,
  1 / 6,
  0.5,
  1,
  1,
] as const;
/** 1/(2n+1) from 25 down to 3: atanh's series on |s| ≤ 0.172 (for log) and |s| ≤ 0.2 (for log1p). */
const ATANH_TERMS = [
  1 / 25,
  1 / 23,
  1 / 21,
  1 / 19,
  1 / 17,
  1 / 15,
  1 / 13,
  1 / 11,
  1 / 9,
  1 / 7,
  1 / 5,
  1 / 3,
] as const;

const horner = (terms: readonly number[], x: number): number => {
  let sum = terms[0]!;
  for (let i = 1; i < terms.length; i++) sum = sum * x + terms[i]!;
  return sum;
};

/** 2^k for −1022 ≤ k ≤ 1023, exactly. */
function powerOfTwo(k: number): number {
  bits.setUint32(0, (k + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** e^x; 0 and Infinity beyond the doubles. */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > EXP_OVERFLOW) return Number.POSITIVE_INFINITY;
  if (x < EXP_UNDERFLOW) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const y = horner(EXP_TERMS, r);
  if (k > 1000) return y * powerOfTwo(1000) * powerOfTwo(k - 1000);
  if (k < -1000) return y * powerOfTwo(-1000) * powerOfTwo(k + 1000);
  return y * powerOfTwo(k);
}

/** Natural logarithm; −Infinity at 0, NaN below. */
export function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return Number.NaN;
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (x === Number.POSITIVE_INFINITY) return x;
  let { mantissa, exponent } = split(x);
  if (mantissa < Math.SQRT1_2) {
    mantissa = mantissa * 2;
    exponent = exponent - 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const z = s * s;
  return exponent * LN2_HIGH + (2 * s + (2 * s * z * horner(ATANH_TERMS, z) + exponent * LN2_LOW));
}

/** x = mantissa · 2^exponent with ½ ≤ mantissa < 1, for finite x > 0. */
function split(x: number): { mantissa: number; exponent: number } {
  const tiny = x < 2.2250738585072014e-308;
  bits.setFloat64(0, tiny ? x * TWO_POW_54 : x);
  const high = bits.getUint32(0);
  const exponent = ((high >>> 20) & 0x7ff) - 1022 - (tiny ? 54 : 0);
  bits.setUint32(0, (high & 0x000fffff) | (1022 << 20));
  return { mantissa: bits.getFloat64(0), exponent };
}

/** log(1 + x) without losing a small x. */
export function log1p(x: number): number {
  if (!(x > -0.3 && x < 0.4)) return log(1 + x);
  const s = x / (2 + x);
  const z = s * s;
  return 2 * s + 2 * s * z * horner(ATANH_TERMS, z);
}

/** a · log x, with 0 · log 0 = 0 as in x⁰ = 1. */
export const timesLog = (a: number, logX: number): number => (a === 0 ? 0 : a * logX);
