import { exp } from "./elementary.ts";

/**
 * The error function after W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969):
 * three intervals, relative error below 1e-15. Mirror: challenge/condor/special.py.
 */
const NEAR = 0.46875;
const MIDDLE = 4;
const FAR = 26.6;
const INVERSE_SQRT_PI = 0.5641895835477563;

const A = [0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694] as const;
const B = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171] as const;
const C = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
] as const;
const D = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
] as const;
const P = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
] as const;
const Q = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
] as const;

function ratio(top: readonly number[], bottom: readonly number[], x: number): number {
  let up = top[0]!;
  let down = bottom[0]!;
  for (let i = 1; i < top.length; i++) {
    up = up * x + top[i]!;
    down = down * x + bottom[i]!;
  }
  return up / down;
}

/** e^(−y²) with the square split, so that its rounding is not magnified. */
function expMinusSquare(y: number): number {
  const head = Math.floor(y * 16) / 16;
  return exp(-head * head) * exp(-(y - head) * (y + head));
}

/** erfc(y) for y > NEAR. */
function tail(y: number): number {
  if (y > FAR) return 0;
  if (y <= MIDDLE) return expMinusSquare(y) * ratio(C, D, y);
  const z = 1 / (y * y);
  return (expMinusSquare(y) * (INVERSE_SQRT_PI - z * ratio(P, Q, z))) / y;
}

/** erf x. */
export function erf(x: number): number {
  const y = Math.abs(x);
  if (y <= NEAR) return x * ratio(A, B, y * y);
  const rest = 1 - tail(y);
  return x < 0 ? -rest : rest;
}

/** 1 − erf x, precise in the upper tail. */
export function erfc(x: number): number {
  const y = Math.abs(x);
  if (y <= NEAR) return 1 - x * ratio(A, B, y * y);
  return x < 0 ? 2 - tail(y) : tail(y);
}

/** Φ(z), precise in the lower tail. */
export const normalCdf = (z: number): number => 0.5 * erfc(-z * Math.SQRT1_2);
