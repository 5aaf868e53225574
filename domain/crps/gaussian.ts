import { exp } from "../density/elementary.ts";
import { erf } from "../density/error-function.ts";

const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const INVERSE_SQRT_PI = 0.5641895835477563;

const phi = (z: number): number => INVERSE_SQRT_TWO_PI * exp(-0.5 * z * z);

/** E|X| of a normal X: 2σφ(μ/σ) + μ(2Φ(μ/σ) − 1). */
function absoluteMoment(mu: number, sigma: number): number {
  const z = mu / sigma;
  return 2 * sigma * phi(z) + mu * erf(z * Math.SQRT1_2);
}

/** CRPS of N(μ, σ²): σ[z(2Φ(z) − 1) + 2φ(z) − 1/√π], z = (y − μ)/σ (Gneiting and Raftery 2007). */
export function crpsGaussian(mu: number, sigma: number, observation: number): number {
  const z = (observation - mu) / sigma;
  return sigma * (z * erf(z * Math.SQRT1_2) + 2 * phi(z) - INVERSE_SQRT_PI);
}

export interface GaussianTerm {
  weight: number;
  mu: number;
  sigma: number;
}

/** CRPS of a mixture of normals in closed form (Grimit et al. 2006); weights are normalised first. */
export function crpsGaussianMixture(terms: readonly GaussianTerm[], observation: number): number {
  const total = terms.reduce((sum, t) => sum + t.weight, 0);
  let error = 0;
  let spread = 0;
  for (const a of terms) {
    error += (a.weight / total) * absoluteMoment(observation - a.mu, a.sigma);
    for (const b of terms)
      spread +=
        ((a.weight * b.weight) / (total * total)) *
        absoluteMoment(a.mu - b.mu, Math.sqrt(a.sigma * a.sigma + b.sigma * b.sigma));
  }
  return error - 0.5 * spread;
}
